//! Writing and handing over e-mail: to an SMTP server, or to files where none is configured.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{self, authentication::Credentials},
};

/// How long one step of the conversation with the mail server may take.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// Where e-mail goes and who it is from.
#[derive(Debug, Clone)]
pub struct MailOptions {
    /// Sender, such as `Colloquy <hello@example.com>`.
    pub from: String,
    /// The SMTP server; without it e-mails become files.
    pub smtp: Option<Smtp>,
    /// Folder of the `.eml` files where there is no server.
    pub folder: PathBuf,
}

/// An SMTP server.
#[derive(Clone)]
pub struct Smtp {
    /// `smtps://user:password@host:465`, `smtp://host:587?tls=required`, `smtp://host:25`.
    pub url: String,
    /// User and password, where not in the address.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smtp { .. }")
    }
}

/// Why an e-mail was not handed over. The texts hold no address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The recipient's or the sender's address cannot be used.
    #[error("the e-mail address cannot be written to")]
    Address,
    /// The server said no for good.
    #[error("the mail server refused the e-mail with code {0}")]
    Refused(String),
    /// The server could not be reached or said to come back later.
    #[error("the mail server did not take the e-mail ({0}); is it running and reachable?")]
    Unreachable(String),
    /// The file could not be written.
    #[error("the e-mail could not be written to the mail folder")]
    File(#[source] io::Error),
}

/// Hands e-mails over.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Debug)]
enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Mailer {
    /// A mailer; says in the log where e-mails go.
    ///
    /// # Errors
    /// [`MailError::Address`] if the sender is malformed, [`MailError::Unreachable`] if the
    /// server's address is.
    pub fn new(options: MailOptions) -> Result<Self, MailError> {
        let from = options.from.parse().map_err(|_| MailError::Address)?;
        let transport = match options.smtp {
            Some(smtp) => Transport::Smtp(connect(&smtp)?),
            None => {
                tracing::warn!(
                    folder = %options.folder.display(),
                    "no mail server is configured: e-mails are written to this folder"
                );
                Transport::Folder(options.folder)
            }
        };
        Ok(Self { from, transport })
    }

    /// How e-mails go: `smtp` or `file`.
    pub const fn transport_name(&self) -> &'static str {
        match self.transport {
            Transport::Smtp(_) => "smtp",
            Transport::Folder(_) => "file",
        }
    }

    /// Sends the welcome e-mail and returns its `Message-ID`, which follows from `key`.
    pub async fn welcome(&self, email: &str, name: &str, key: &str) -> Result<String, MailError> {
        let address: Address = email.parse().map_err(|_| MailError::Address)?;
        let message_id = format!("<{key}@{}>", self.from.email.domain());
        let message = Message::builder()
            .message_id(Some(message_id.clone()))
            .from(self.from.clone())
            .to(Mailbox::new(Some(name.to_owned()), address))
            .subject("Welcome to Colloquy")
            .header(ContentType::TEXT_PLAIN)
            .body(welcome_text(name))
            .map_err(|_| MailError::Address)?;
        match &self.transport {
            Transport::Smtp(server) => send(server, message).await?,
            Transport::Folder(folder) => {
                write(folder, key, &message.formatted())
                    .await
                    .map_err(MailError::File)?;
            }
        }
        Ok(message_id)
    }
}

fn connect(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let unusable = |_| MailError::Unreachable("its address is malformed".to_owned());
    let mut builder =
        AsyncSmtpTransport::<Tokio1Executor>::from_url(&smtp.url).map_err(unusable)?;
    if let Some((user, password)) = smtp.credentials.clone() {
        builder = builder.credentials(Credentials::new(user, password));
    }
    Ok(builder.timeout(Some(SMTP_TIMEOUT)).build())
}

async fn send(
    server: &AsyncSmtpTransport<Tokio1Executor>,
    message: Message,
) -> Result<(), MailError> {
    // A server's own words may repeat the address, so only its code is kept.
    server
        .send(message)
        .await
        .map(drop)
        .map_err(|error: smtp::Error| {
            let code = error.status().map(|code| code.to_string());
            if error.is_permanent() {
                MailError::Refused(code.unwrap_or_default())
            } else {
                MailError::Unreachable(code.unwrap_or_else(|| "no answer".to_owned()))
            }
        })
}

/// Writes the whole file or none of it; the same e-mail again is the same file.
async fn write(folder: &Path, key: &str, content: &[u8]) -> io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let partial = folder.join(format!(".{key}.partial"));
    tokio::fs::write(&partial, content).await?;
    tokio::fs::rename(&partial, folder.join(format!("{key}.eml"))).await
}

fn welcome_text(name: &str) -> String {
    format!(
        "Hello {name},\r\n\r\n\
         your Colloquy account is ready. Post your first call to /v1/conversations and search it\r\n\
         a moment later; the guide is at /.\r\n\r\n\
         If you did not sign up, ignore this e-mail.\r\n"
    )
}
