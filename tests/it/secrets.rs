//! No secret is told: not in what the program says, not in its log, not in a file that it writes, whatever a system does with it.
//!
//! The systems here repeat all that they are given, each in its own form of an error.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::folder::Folder;

const CLIENT: &str = "s3cr3t/of the+client&\"'ž";
const TOKEN: &str = "t0k3n.of-the_system";
const PASSWORD: &str = "p4ssw0rd of postgres";
const HOOK: &str = "k3y-of-the-webhook-0123456789";

/// Answers each connection on its own thread, until the test ends.
fn serve(answer: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            // A client that goes away is none of our business.
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    address
}

/// One request as text.
fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer)?;
        text.extend_from_slice(&buffer[..count]);
        let shown = String::from_utf8_lossy(&text).into_owned();
        let length = |head: &str| {
            let line = head.lines().find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
            line.and_then(|it| it.trim().parse::<usize>().ok()).unwrap_or(0)
        };
        match shown.split_once("\r\n\r\n") {
            Some((head, body)) if body.len() >= length(head) => return Ok(shown),
            _ if count == 0 => return Ok(shown),
            _ => {}
        }
    }
}

fn respond(mut stream: TcpStream, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// A system with its token endpoint. The first token is refused with all that was asked, later ones are given; everything else is an
/// error that repeats the request: as JSON, as an Infolog, as a page of HTML.
fn parrot() -> String {
    let (tokens, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
    serve(move |mut stream| {
        let asked = request(&mut stream)?;
        if asked.starts_with("POST /token") {
            let granted = json!({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"});
            let refused = json!({"error": "invalid_client", "error_description": format!("{CLIENT} is wrong: {asked}")});
            let is_first = tokens.fetch_add(1, Ordering::Relaxed) == 0;
            let (status, body) = if is_first { (401, refused) } else { (200, granted) };
            return respond(stream, status, "application/json", &body.to_string());
        }
        let message = format!("{asked} {CLIENT} {TOKEN}");
        match others.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => respond(stream, 400, "application/json", &json!({"error": {"code": "0x1", "message": message}}).to_string()),
            1 => {
                let body = json!({"error": {"message": "An error has occurred.", "innererror": {"message": format!("Infolog: {message}")}}});
                respond(stream, 500, "application/json", &body.to_string())
            }
            2 => respond(stream, 502, "text/html", &format!("<html>{message}</html>")),
            _ => respond(stream, 403, "application/json", &json!({"error": {"message": message}}).to_string()),
        }
    })
}

/// A server that asks for the password in clear, and refuses it by its name.
fn postgres() -> String {
    serve(|mut stream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut startup)?;
        stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3])?;
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let mut password = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        stream.read_exact(&mut password)?;
        let password = String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned();
        assert_eq!(password, PASSWORD, "it came to where it belongs");
        let fields = format!("SFATAL\0C28P01\0Mno user with the password {password}\0\0");
        stream.write_all(b"E")?;
        stream.write_all(&u32::try_from(fields.len() + 4).expect("it is short").to_be_bytes())?;
        stream.write_all(fields.as_bytes())
    })
}

/// Every form in which somebody could read a secret, with its name.
fn forms() -> Vec<(String, Vec<u8>)> {
    let encoded = |it: &str| {
        reqwest::Url::parse_with_params("http://x", [("a", it)]).expect("a URL").query().expect("a query")[2..].to_owned()
    };
    let mut forms = Vec::new();
    for (name, secret) in [("client secret", CLIENT), ("access token", TOKEN), ("password", PASSWORD), ("webhook key", HOOK)] {
        forms.push((name.to_owned(), secret.as_bytes().to_vec()));
        forms.push((format!("{name} in a form"), encoded(secret).into_bytes()));
        forms.push((format!("{name} in JSON"), json!(secret).to_string().trim_matches('"').as_bytes().to_vec()));
        forms.push((format!("{name} in Base64"), base64(secret.as_bytes())));
        // A message that is cut must not end in the middle of one.
        forms.push((format!("half of the {name}"), secret.as_bytes()[..secret.len() / 2].to_vec()));
    }
    forms
}

/// Base64 without its padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |chunk: &[u8]| chunk.iter().enumerate().fold(0_u32, |all, (at, byte)| all | u32::from(*byte) << (16 - 8 * at));
    let letters =
        |chunk: &[u8]| (0..=chunk.len()).map(|at| LETTERS[(bits(chunk) >> (18 - 6 * at) & 63) as usize]).collect::<Vec<_>>();
    bytes.chunks(3).flat_map(letters).collect()
}

fn check(place: &str, bytes: &[u8]) {
    for (name, form) in forms() {
        let is_there = bytes.windows(form.len()).any(|it| it == form);
        assert!(!is_there, "{place} holds the {name}: {}", String::from_utf8_lossy(bytes));
    }
}

fn project(connector: &str) -> Folder {
    let folder = Folder::new("secrets");
    folder.sql("erp.db", "CREATE TABLE item (number TEXT PRIMARY KEY, name TEXT); INSERT INTO item VALUES ('A-1', 'Chair')");
    folder.write(
        "items.dwmap",
        "system erp profile sqlite\nsystem far profile exact\n\nentity erp.item {\n  key number: text<20>\n  name: text<100>?\n}\n\n\
         entity far.product {\n  key id: guid\n  sku: text<20>\n  title: text<100>?\n  unique (sku)\n}\n\n\
         map Items: erp.item <-> far.product {\n  key number <-> sku\n  name <-> title\n  on delete -> ignore\n  on delete <- ignore\n  on conflict prefer erp\n}\n",
    );
    let far = match connector {
        "postgres" => format!("url = \"postgres://dwmap@{}/shop\"\npassword = {{ env = \"THE_PASSWORD\" }}\n", postgres()),
        _ => {
            let at = parrot();
            format!(
                "url = \"http://{at}\"\nauth = {{ token_url = \"http://{at}/token\", client_id = \"dwmap\", client_secret = {{ env = \"THE_SECRET\" }} }}\n\
                 [systems.far.webhook]\nauth = {{ header = \"x-key\" }}\nkeys = [{{ env = \"THE_KEY\" }}]\n"
            )
        }
    };
    folder.write(
        "dwmap.toml",
        &format!("[receiver]\nlisten = \"127.0.0.1:0\"\n\n[systems.erp]\nconnector = \"sqlite\"\npath = \"erp.db\"\n\n[systems.far]\nconnector = \"{connector}\"\n{far}"),
    );
    folder
}

#[test]
fn no_secret_is_told_by_any_connector_whatever_its_system_does_with_it() {
    for connector in ["dataverse", "finops", "postgres"] {
        let folder = project(connector);
        let (mut said_so, mut said) = (0, String::new());
        for arguments in [
            &["doctor"][..],
            &["doctor"],
            &["schema", "pull", "far", "--entity", "product", "-o", "far.json"],
            &["schema", "pull", "far", "--entity", "product", "-o", "far.json"],
            &["run", "--initial", "--once"],
            &["run", "--once"],
            &["plan"],
            &["status"],
            &["errors"],
        ] {
            let mut command = folder.command(arguments);
            command.env("THE_SECRET", CLIENT).env("THE_PASSWORD", PASSWORD).env("THE_KEY", HOOK).env("DWMAP_LOG", "trace");
            let output = command.output().expect("the program can be started");
            check(&format!("{connector}: output of {arguments:?}"), &output.stdout);
            check(&format!("{connector}: messages and log of {arguments:?}"), &output.stderr);
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            said_so += usize::from(text.contains("***"));
            said.push_str(&text);
        }
        assert!(said_so > 0, "{connector}: at least one message came with a secret that was covered: {said}");
        let files = files(&folder.path);
        assert!(
            files.iter().any(|it| it.to_string_lossy().contains("dwmap-state")),
            "{connector}: the state was written: {files:?}"
        );
        for file in files {
            check(&format!("{connector}: {}", file.display()), &std::fs::read(&file).expect("it is listed"));
        }
    }
}

/// All files below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there").map(|it| it.expect("it can be listed").path());
    entries.flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}
