//! What a server says of itself over its monitoring port.
//!
//! Blocking and without a library: it is asked from `Drop` too, and answers within a millisecond.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// How long an answer may take; a paused server gives none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Largest answer that is read; a server with thousands of consumers says less.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Status and JSON document of a path such as `/jsz`.
pub(crate) fn get(port: u16, path: &str) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((
        status.ok_or_else(malformed)?,
        serde_json::from_str(body).map_err(|_| malformed())?,
    ))
}

/// Whether a server greets on its client port, with JetStream once that is ready.
pub(crate) fn greets(port: u16) -> bool {
    let greet = || -> io::Result<bool> {
        let stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        let mut limited = stream.take(64 * 1024);
        io::BufRead::read_line(&mut io::BufReader::new(&mut limited), &mut line)?;
        let info = line.strip_prefix("INFO ").unwrap_or("null");
        let info: Value = serde_json::from_str(info).unwrap_or_default();
        Ok(info["jetstream"] == true)
    };
    greet().unwrap_or(false)
}

/// A durable consumer as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) stream: String,
    pub(crate) consumer: String,
    pub(crate) pending: u64,
    pub(crate) unsettled: u64,
}

/// What the streams of one server hold: of a cluster's consumers, those that it leads.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) queues: Vec<Queue>,
    /// Messages by stream.
    pub(crate) streams: Vec<(String, u64)>,
}

pub(crate) fn holdings(port: u16, server: &str) -> io::Result<Holdings> {
    let (_, document) = get(port, "/jsz?accounts=true&streams=true&consumers=true")?;
    let mut holdings = Holdings::default();
    for account in list(&document["account_details"]) {
        for stream in list(&account["stream_detail"]) {
            let messages = stream["state"]["messages"].as_u64().unwrap_or(0);
            holdings.streams.push((text(&stream["name"]), messages));
            for consumer in list(&stream["consumer_detail"]) {
                let leader = &consumer["cluster"]["leader"];
                let leads = leader.is_null() || leader == server;
                if leads {
                    holdings.queues.push(Queue {
                        stream: text(&stream["name"]),
                        consumer: text(&consumer["name"]),
                        pending: consumer["num_pending"].as_u64().unwrap_or(0),
                        unsettled: consumer["num_ack_pending"].as_u64().unwrap_or(0),
                    });
                }
            }
        }
    }
    Ok(holdings)
}

/// Whether this server leads a cluster of that many, of which all are current.
pub(crate) fn leads_current_cluster(port: u16, nodes: usize) -> bool {
    let Ok((_, document)) = get(port, "/jsz") else {
        return false;
    };
    let replicas = list(&document["meta_cluster"]["replicas"]);
    let current = |replica: &&Value| replica["current"] == true && replica["offline"] != true;
    replicas.iter().filter(current).count() + 1 == nodes
}

/// Whether this server says that all it does is well.
pub(crate) fn is_healthy(port: u16) -> bool {
    matches!(get(port, "/healthz"), Ok((200, _)))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
