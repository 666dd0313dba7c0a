//! Tells people outside: by webhook, by mail.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::alerts::Told;
use super::post::post;
use crate::runtime::config::{Mail, MailTls};

/// Tries to tell one thing.
const TRIES_MAX: u32 = 3;
const REST: Duration = Duration::from_secs(5);
const TIME_MAX: Duration = Duration::from_secs(30);

/// Where something is told.
#[derive(Clone, Debug)]
pub enum To {
    Webhook(String),
    Mail { server: Mail, password: Option<SecretString>, address: String },
}

/// Tells it, and again if nobody hears. The error never shows the address of a webhook, which may be secret.
pub async fn send(to: &To, told: &Told) -> Result<(), String> {
    let mut last = String::new();
    for attempt in 0..TRIES_MAX {
        if attempt > 0 {
            tokio::time::sleep(REST).await;
        }
        match once(to, told).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn once(to: &To, told: &Told) -> Result<(), String> {
    match to {
        To::Webhook(address) => match post(address, None, told, TIME_MAX, false).await {
            Ok((200..=299, _)) => Ok(()),
            Ok((status, _)) => Err(format!("the webhook answered {status}")),
            Err(error) => Err(format!("the webhook cannot be reached: {error}")),
        },
        To::Mail { server, password, address } => mail(server, password.as_ref(), address, told).await,
    }
}

async fn mail(server: &Mail, password: Option<&SecretString>, address: &str, told: &Told) -> Result<(), String> {
    let mailbox = |it: &str| it.parse::<Mailbox>().map_err(|error| format!("`{it}` is no mail address: {error}"));
    let message = Message::builder()
        .from(mailbox(&server.from)?)
        .to(mailbox(address)?)
        .subject(format!("[dwmap] {} {}: {}", told.alert, told.state, told.map))
        .body(format!(
            "{}\n\nmap: {}\nalert: {}\nstate: {}\nsince: {}\nat: {}\n",
            told.text, told.map, told.alert, told.state, told.since, told.at
        ))
        .map_err(|error| format!("the mail cannot be written: {error}"))?;
    let unusable = |error: lettre::transport::smtp::Error| format!("the mail server `{}` cannot be used: {error}", server.server);
    let transport = match server.tls {
        MailTls::None => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.server),
        MailTls::Starttls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(&server.server).map_err(unusable)?,
        MailTls::Implicit => AsyncSmtpTransport::<Tokio1Executor>::relay(&server.server).map_err(unusable)?,
    };
    let mut transport = transport.timeout(Some(TIME_MAX));
    if let Some(port) = server.port {
        transport = transport.port(port);
    }
    if let (Some(user), Some(password)) = (&server.user, password) {
        transport = transport.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
    }
    transport.build().send(message).await.map(drop).map_err(unusable)
}
