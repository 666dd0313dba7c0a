//! A server that is spoken to under TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// A server of its own that listens at a port, and the certificate of the authority that signed its own.
struct Encrypted {
    server: Server,
    port: u16,
    authority: String,
}

/// A certificate for `localhost` alone.
fn certificates(folder: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority for a test");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    // The server takes no key that others may read.
    assert!(Command::new("chmod").args(["600"]).arg(folder.join("server.key")).status().unwrap().success());
    authority.pem()
}

fn encrypted() -> &'static Encrypted {
    static SERVER: OnceLock<Encrypted> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("dwmap-postgres-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let authority = certificates(&folder);
        if is_root() {
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(&folder).status().unwrap().success());
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = start(
            &folder,
            &[
                "listen_addresses=localhost,127.0.0.1".to_owned(),
                format!("port={port}"),
                "ssl=on".to_owned(),
                format!("ssl_cert_file={}", folder.join("server.crt").display()),
                format!("ssl_key_file={}", folder.join("server.key").display()),
            ],
            port,
        );
        // Nobody comes in over the network without encryption.
        std::fs::write(folder.join("data/pg_hba.conf"), "local all all trust\nhostssl all all all trust\n").unwrap();
        psql_at(&server, port, "postgres", "SELECT pg_reload_conf()").unwrap();
        Encrypted { server, port, authority }
    })
}

fn sought(host: &str, rest: &str, authority: Option<&str>) -> Postgres {
    let url = format!("postgres://postgres@{host}:{}/postgres{rest}", encrypted().port);
    Postgres::new(&Settings { url, password: None, authority: authority.map(str::to_owned) }).unwrap()
}

#[tokio::test]
async fn a_connection_under_tls_is_encrypted_and_works_as_any_other() {
    let Encrypted { server, port, authority } = encrypted();
    let user = |sql: &str| psql_at(server, *port, "postgres", sql).unwrap();
    user(ITEM);
    let ours = sought("localhost", "?sslmode=require", Some(authority)).with_page_max(3);
    assert!(matches!(ours.write(&shape(), &[create(1, "a", "A")]).await[..], [Answer::Written(_)]));
    let (told, _) = drain(&ours, None).await;
    assert_eq!(told, ["a"]);
    let sessions =
        "SELECT bool_and(ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'dwmap'";
    assert_eq!(user(sessions), "t|1");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused() {
    let authority = encrypted().authority.as_str();
    for (host, own, expected) in [("localhost", None, "UnknownIssuer"), ("127.0.0.1", Some(authority), "name")] {
        let failure = sought(host, "?sslmode=require", own).feed(&shape(), None).await.unwrap_err();
        assert_eq!(failure.class, Class::Auth, "{failure}");
        assert!(
            failure.message.contains("certificate is not trusted")
                && failure.message.to_lowercase().contains(&expected.to_lowercase()),
            "{host}: {failure}"
        );
    }
    // A server that wants encryption is not spoken to without it by mistake.
    let failure = sought("localhost", "", None).feed(&shape(), None).await.unwrap_err();
    assert!(failure.class == Class::Auth && failure.message.contains("no encryption"), "{failure}");
    let text = Postgres::new(&Settings {
        url: "postgres://dwmap@db.example.com/shop".to_owned(),
        password: None,
        authority: Some("no PEM".to_owned()),
    })
    .err()
    .unwrap();
    assert!(text.message.contains("holds no certificate"), "{text}");
}
