//! The local interface of a running process: one address, one token, commands in and answers out.
//!
//! It listens on the loopback address alone. Questions are answered from the state at once; what changes something waits for
//! its turn between two rounds.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::Caller;
use super::ask::{Answer, Ask, FORMAT_VERSION, Problem, Request};
use super::place::{Announced, Place};
use super::read;
use crate::ir::Program;
use crate::runtime::world::World;
use crate::store::Sqlite;

/// Where commands go.
pub const PATH: &str = "/api/v1/ask";
/// Largest command that is read.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// A body arrives in this time, or not at all.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest work for one command; a verify reads both systems.
const WORK_TIME_MAX: Duration = Duration::from_secs(60);
const VERIFY_TIME_MAX: Duration = Duration::from_secs(6 * 3600);
/// Commands that are answered at once.
const AT_ONCE_MAX: usize = 32;

struct Desk {
    token: SecretString,
    caller: Caller,
    programs: watch::Receiver<Arc<Program>>,
    state: PathBuf,
    room: Semaphore,
}

/// The interface is up until this ends.
pub struct Serving {
    pub port: u16,
    #[expect(dead_code, reason = "the file is announced by being here")]
    announced: Announced,
    #[expect(dead_code, reason = "it is up by being here")]
    answering: Answering,
}

/// An address that is answered until this ends.
pub(in crate::runtime) struct Answering(tokio::task::JoinHandle<()>);

impl Answering {
    /// `what`: who answers, for the log.
    pub(in crate::runtime) fn at(listener: TcpListener, router: Router, what: &'static str) -> Self {
        Self(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "{what} ended");
            }
        }))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens the interface on a free port and writes down where it is.
pub async fn serve(
    state: PathBuf,
    programs: watch::Receiver<Arc<Program>>,
    caller: Caller,
    world: &dyn World,
) -> std::io::Result<Serving> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let token = fresh_token(world);
    let place = Place { pid: std::process::id(), port, token: token.clone() };
    let announced = Announced::write(&state, &place)?;
    let desk = Desk { token, caller, programs, state, room: Semaphore::new(AT_ONCE_MAX) };
    let router = Router::new().route(PATH, post(asked)).route("/healthz", get(|| async { "ok\n" })).with_state(Arc::new(desk));
    Ok(Serving { port, announced, answering: Answering::at(listener, router, "the local interface") })
}

/// Made of four times 122 random bits.
fn fresh_token(world: &dyn World) -> SecretString {
    let mut hash = Sha256::new();
    for _ in 0..4 {
        hash.update(world.fresh_secret());
    }
    hex(&hash.finalize()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// Equal, in a time that does not tell how much of it is.
pub(in crate::runtime) fn is_secret(given: &str, own: &SecretString) -> bool {
    let (given, own) = (Sha256::digest(given), Sha256::digest(own.expose_secret()));
    given.iter().zip(own.iter()).fold(0u8, |sum, (one, other)| sum | (one ^ other)) == 0
}

/// What was sent, if it is not too long and does not take too long; else why not. `what`: what it is.
pub(in crate::runtime) async fn whole_body(body: Body, what: &str, bytes_max: usize) -> Result<Bytes, (StatusCode, String)> {
    match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, bytes_max)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, format!("a {what} has at most {bytes_max} bytes"))),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, format!("the {what} did not arrive in time"))),
    }
}

async fn asked(Shared(desk): Shared<Arc<Desk>>, request: HttpRequest) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    if !given.and_then(|it| it.strip_prefix("Bearer ")).is_some_and(|it| is_secret(it, &desk.token)) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "the token is not that of this process\n  = fix: read it from the file beside the state",
        );
    }
    let Ok(_room) = desk.room.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many commands at once\n  = fix: try again in a moment");
    };
    let body = match whole_body(request.into_body(), "command", BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err((status, text)) => return refuse(status, &text),
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("this is no command: {error}")),
    };
    if request.format_version != FORMAT_VERSION {
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("the process speaks version {FORMAT_VERSION} of commands\n  = fix: use the same dwmap for both"),
        );
    }
    let limit = if matches!(request.ask, Ask::Verify { .. }) { VERIFY_TIME_MAX } else { WORK_TIME_MAX };
    match tokio::time::timeout(limit, answer(&desk, request)).await {
        Ok(answer) => reply(StatusCode::OK, &answer),
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "the process is busy with a round; the command is carried out after it"),
    }
}

async fn answer(desk: &Desk, request: Request) -> Answer {
    if !request.ask.is_question() {
        return desk.caller.ask(request).await;
    }
    let (state, program) = (desk.state.clone(), desk.programs.borrow().clone());
    let look = move || read::answer(&mut Sqlite::open_read_only(&state)?, &program, &request.ask);
    tokio::task::spawn_blocking(look)
        .await
        .unwrap_or_else(|_| Err(Problem::Failed("the answer could not be made; please report this".to_owned())))
}

fn refuse(status: StatusCode, text: &str) -> Response {
    reply(status, &Err(Problem::Failed(text.to_owned())))
}

fn reply(status: StatusCode, answer: &Answer) -> Response {
    let text = serde_json::to_vec(answer).expect("answers have text keys only");
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}
