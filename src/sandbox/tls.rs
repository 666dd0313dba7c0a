//! HTTPS with a certificate authority of the sandbox's own, made anew at each start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// Handshakes under way and connections that wait.
const WAITING_MAX: usize = 64;
/// Longest handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// What a server needs, and what its clients must trust.
pub struct Identity {
    acceptor: TlsAcceptor,
    /// The authority's certificate as PEM.
    pub authority: String,
}

impl Identity {
    /// Makes an authority, and a certificate for this machine that it signed.
    pub fn new() -> Result<Self, String> {
        let text = |error: rcgen::Error| format!("no certificate can be made: {error}");
        let mut params = CertificateParams::new(Vec::new()).map_err(text)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "dwmap sandbox");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(text)?).map_err(text)?;
        let key = KeyPair::generate().map_err(text)?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).map_err(text)?;
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &authority).map_err(text)?;
        let acceptor = acceptor(certificate.der().clone(), key.serialize_der())?;
        Ok(Self { acceptor, authority: authority.pem() })
    }

    /// Takes connections of this listener and gives them on once they are encrypted.
    pub fn listen(self, listener: TcpListener) -> std::io::Result<Listener> {
        let address = listener.local_addr()?;
        let (ready, incoming) = mpsc::channel(WAITING_MAX);
        tokio::spawn(accept(listener, self.acceptor, ready));
        Ok(Listener { incoming, address })
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: Vec<u8>) -> Result<TlsAcceptor, String> {
    let key = PrivateKeyDer::try_from(key).map_err(|error| format!("the key cannot be used: {error}"))?;
    // Named, because other parts of the program may bring a provider of their own.
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|it| it.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

// Each handshake has a task of its own, so that a client that says nothing holds up no other.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>) {
    loop {
        let accepted = tokio::select! {
            it = listener.accept() => it,
            () = ready.closed() => return,
        };
        let Ok((stream, from)) = accepted else { continue };
        let (acceptor, ready) = (acceptor.clone(), ready.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                // The server has ended where nobody takes the connection.
                let _ = ready.send((stream, from)).await;
            }
        });
    }
}

/// Encrypted connections.
pub struct Listener {
    incoming: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.incoming.recv().await {
            Some(it) => it,
            // The task that accepts lives as long as this receiver.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}
