//! A mail server that keeps what it takes: as much of SMTP as the service speaks.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// An e-mail as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    /// Whom the envelope names.
    pub(crate) to: Vec<String>,
    /// Headers and body.
    pub(crate) text: String,
}

impl Mail {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().take_while(|line| !line.is_empty());
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Default)]
struct Kept {
    taken: Vec<Mail>,
    /// Ids of e-mails that were to come again later.
    turned_away: Vec<String>,
    /// How many more are turned away.
    busy: u32,
}

/// The server. Dropping it closes it.
pub(crate) struct MailServer {
    port: u16,
    kept: Arc<Mutex<Kept>>,
    serving: JoinHandle<()>,
}

impl MailServer {
    /// A server that sends the first few away when it has read them. It knows no `nobody`.
    pub(crate) async fn start(busy: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kept = Kept {
            busy,
            ..Kept::default()
        };
        let kept = Arc::new(Mutex::new(kept));
        Self {
            port: listener.local_addr().unwrap().port(),
            serving: tokio::spawn(serve(listener, kept.clone())),
            kept,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// What it has taken.
    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.kept.lock().unwrap().taken.clone()
    }

    /// Ids of those that it sent away.
    pub(crate) fn turned_away(&self) -> Vec<String> {
        self.kept.lock().unwrap().turned_away.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, kept: Arc<Mutex<Kept>>) {
    let mut sessions = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while sessions.try_join_next().is_some() {}
        let kept = kept.clone();
        // A client that goes away in the middle is its own matter.
        sessions.spawn(async move {
            let _ = session(stream, &kept).await;
        });
    }
}

async fn session(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    let mut mail = Mail::default();
    loop {
        let line = line(&mut stream).await?;
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        let answer = match verb.to_ascii_uppercase().as_str() {
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                mail.to.push(address.to_owned());
                match address.starts_with("nobody@") {
                    true => "550 no such mailbox",
                    false => "250 fine",
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                mail.text = text(&mut stream).await?;
                take(std::mem::take(&mut mail), kept)
            }
            "RSET" => {
                mail = Mail::default();
                "250 fine"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn take(mail: Mail, kept: &Mutex<Kept>) -> &'static str {
    let mut kept = kept.lock().unwrap();
    if kept.busy > 0 {
        kept.busy -= 1;
        let id = mail.header("Message-ID").unwrap_or_default().to_owned();
        kept.turned_away.push(id);
        return "451 busy; try again";
    }
    kept.taken.push(mail);
    "250 taken"
}

/// Up to the line with nothing but a dot.
async fn text(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Ok(text);
        }
        text.push_str(&line);
        text.push('\n');
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
