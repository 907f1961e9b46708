//! The broker's own protocol, spoken by hand: deliveries that no part of the platform would make.

use std::time::Duration;

use colloquy_contract::{Envelope, Fact, subject::redrive};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Longest wait for an answer.
const SOON: Duration = Duration::from_secs(20);

pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut raw = Self {
            stream: BufReader::new(stream),
        };
        assert!(raw.line().await.starts_with("INFO"));
        let connect = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB inbox 1\r\n";
        raw.send(connect.as_bytes()).await;
        raw
    }

    /// Gives a fact to a service again, as a redrive does.
    pub async fn deliver(&mut self, service: &str, envelope: &Envelope, fact: &Fact) {
        let subject = redrive(service, &envelope.subject().unwrap().to_string());
        let mut head = "NATS/1.0\r\n".to_owned();
        for (name, value) in envelope.headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let payload = fact.to_json().unwrap();
        let (short, long) = (head.len(), head.len() + payload.len());
        let mut message = format!("HPUB {subject} inbox {short} {long}\r\n{head}").into_bytes();
        message.extend_from_slice(&payload);
        message.extend_from_slice(b"\r\n");
        self.send(&message).await;
        self.acknowledged().await;
    }

    async fn acknowledged(&mut self) {
        loop {
            let line = self.line().await;
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["MSG", .., bytes] => {
                    let mut payload = vec![0; bytes.parse::<usize>().unwrap() + 2];
                    self.stream.read_exact(&mut payload).await.unwrap();
                    let reply: Value = serde_json::from_slice(&payload).unwrap();
                    assert!(reply["seq"].is_u64(), "{reply}");
                    return;
                }
                ["PING"] => self.send(b"PONG\r\n").await,
                other => assert!(!other.contains(&"-ERR"), "{line}"),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let reading = self.stream.read_line(&mut line);
        tokio::time::timeout(SOON, reading).await.unwrap().unwrap();
        line
    }
}
