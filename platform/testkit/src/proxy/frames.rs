//! The client protocol of NATS, as far as faults need it: where a message begins and ends, where
//! it goes, and what it carries.
//!
//! Streaming: bytes come in as they arrive, frames come out whole. What is buffered is bounded by
//! the longest line and the largest message.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line: the server's greeting, which lists a cluster's addresses.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Largest message, headers included: the broker's own limit of 1 MiB and some room.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// One unit of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A line: `CONNECT`, `SUB`, `PING`, `INFO`, `+OK` and the like.
    Line(Bytes),
    /// A message on its way: `PUB`, `HPUB`, `MSG`, `HMSG`.
    Message(Message),
}

/// A message on its way, with the bytes it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) reply: Option<String>,
    bytes: Bytes,
    head: usize,
    headers: usize,
}

impl Message {
    /// Its headers, empty if it has none.
    pub(super) fn headers(&self) -> &[u8] {
        &self.bytes[self.head..self.head + self.headers]
    }

    /// What it carries, without headers.
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[self.head + self.headers..self.bytes.len() - 2]
    }
}

impl Frame {
    /// All its bytes, as they came.
    pub(super) fn bytes(&self) -> &Bytes {
        match self {
            Self::Line(bytes) => bytes,
            Self::Message(message) => &message.bytes,
        }
    }
}

/// Why bytes are not this protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotNats(&'static str);

/// Bytes in, frames out.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
    /// How far the buffer was searched for the end of a line.
    searched: usize,
    /// The head of the message whose rest is awaited.
    awaited: Option<Head>,
}

#[derive(Debug)]
struct Head {
    subject: String,
    reply: Option<String>,
    line: usize,
    headers: usize,
    total: usize,
}

impl Frames {
    /// Takes what was read.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more was read.
    ///
    /// # Errors
    /// If the bytes are no such protocol or a frame is larger than allowed; there is no way on.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, NotNats> {
        let head = match self.awaited.take() {
            Some(head) => head,
            None => {
                let Some(line) = self.line()? else {
                    return Ok(None);
                };
                match parse(&self.buffer[..line])? {
                    Some(head) => head,
                    None => return Ok(Some(Frame::Line(self.buffer.split_to(line).freeze()))),
                }
            }
        };
        let length = head.line + head.total + 2;
        if self.buffer.len() < length {
            self.awaited = Some(head);
            return Ok(None);
        }
        let bytes = self.buffer.split_to(length).freeze();
        if !bytes.ends_with(b"\r\n") {
            return Err(NotNats("a message does not end where it says"));
        }
        Ok(Some(Frame::Message(Message {
            subject: head.subject,
            reply: head.reply,
            bytes,
            head: head.line,
            headers: head.headers,
        })))
    }

    /// Length of the first line, end included.
    fn line(&mut self) -> Result<Option<usize>, NotNats> {
        let fresh = &self.buffer.chunk()[self.searched..];
        if let Some(end) = fresh.iter().position(|&byte| byte == b'\n') {
            let length = self.searched + end + 1;
            self.searched = 0;
            return Ok(Some(length));
        }
        self.searched = self.buffer.len();
        if self.searched > MAX_LINE_BYTES {
            return Err(NotNats("a line is too long"));
        }
        Ok(None)
    }
}

/// The head of a message; `None` for any other line.
fn parse(line: &[u8]) -> Result<Option<Head>, NotNats> {
    let malformed = NotNats("the head of a message is malformed");
    let length = line.len();
    let Ok(line) = std::str::from_utf8(line) else {
        return Err(malformed);
    };
    let mut words = line.split_ascii_whitespace();
    let operation = words.next().unwrap_or_default().to_ascii_uppercase();
    // Words besides subject and reply: subscription id, sizes.
    let (ids, sizes) = match operation.as_str() {
        "PUB" => (0, 1),
        "HPUB" => (0, 2),
        "MSG" => (1, 1),
        "HMSG" => (1, 2),
        _ => return Ok(None),
    };
    let words: Vec<_> = words.collect();
    let reply = match words.len().checked_sub(1 + ids + sizes) {
        Some(0) => None,
        Some(1) => Some(words[1 + ids].to_owned()),
        _ => return Err(malformed),
    };
    let size = |from_end: usize| {
        words[words.len() - from_end]
            .parse::<usize>()
            .map_err(|_| malformed.clone())
    };
    let total = size(1)?;
    let headers = if sizes == 2 { size(2)? } else { 0 };
    if headers > total {
        return Err(malformed);
    }
    if total > MAX_MESSAGE_BYTES {
        return Err(NotNats("a message is too large"));
    }
    Ok(Some(Head {
        subject: words[0].to_owned(),
        reply,
        line: length,
        headers,
        total,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &[u8] = b"CONNECT {\"verbose\":false}\r\nPING\r\nPUB a.b 5\r\nhello\r\n\
        pub a.b _INBOX.1 0\r\n\r\nHPUB c _INBOX.2 12 15\r\nNATS/1.0\r\n\r\nabc\r\n\
        MSG s 7 2\r\n\r\n\r\nHMSG s 7 $JS.ACK.x 12 12\r\nNATS/1.0\r\n\r\n\r\n+OK\r\n";

    fn read(pieces: &[&[u8]]) -> Vec<Frame> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece);
            while let Some(frame) = frames.next().unwrap() {
                found.push(frame);
            }
        }
        assert!(frames.buffer.is_empty(), "everything was read");
        found
    }

    #[test]
    fn frames_are_found() {
        let frames = read(&[SAID]);
        let shown: Vec<_> = frames
            .iter()
            .map(|frame| match frame {
                Frame::Line(line) => String::from_utf8_lossy(line).trim().to_owned(),
                Frame::Message(message) => format!(
                    "{} {:?} {} {}",
                    message.subject,
                    message.reply,
                    message.headers().len(),
                    String::from_utf8_lossy(message.payload()).escape_debug(),
                ),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "CONNECT {\"verbose\":false}",
                "PING",
                "a.b None 0 hello",
                "a.b Some(\"_INBOX.1\") 0 ",
                "c Some(\"_INBOX.2\") 12 abc",
                "s None 0 \\r\\n",
                "s Some(\"$JS.ACK.x\") 12 ",
                "+OK",
            ]
        );
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.bytes().clone())
            .collect();
        assert_eq!(bytes, SAID, "nothing is added or lost");
    }

    #[test]
    fn however_the_bytes_are_split() {
        let whole = read(&[SAID]);
        for cut in 0..=SAID.len() {
            let (one, two) = SAID.split_at(cut);
            assert_eq!(read(&[one, two]), whole, "cut at {cut}");
        }
        let each: Vec<_> = SAID.chunks(1).collect();
        assert_eq!(read(&each), whole);
    }

    #[test]
    fn the_largest_message_passes_and_a_larger_one_does_not() {
        let payload = vec![b'x'; 1024 * 1024];
        let head = format!("PUB a {}\r\n", payload.len());
        let frames = read(&[head.as_bytes(), &payload, b"\r\n"]);
        let [Frame::Message(message)] = frames.as_slice() else {
            panic!("one message")
        };
        assert_eq!(message.payload().len(), payload.len());

        let mut frames = Frames::default();
        frames.feed(b"PUB a 2000000\r\n");
        assert!(frames.next().is_err());
    }

    #[test]
    fn what_is_no_protocol_is_refused() {
        for bad in [
            &b"PUB a\r\n"[..],
            b"PUB a b c 1\r\n",
            b"PUB a -1\r\n",
            b"HPUB a 5 3\r\nabc\r\n",
            b"PUB a 1\r\nabc",
            b"MSG a 1\r\n",
            b"PUB \xff 1\r\n",
        ] {
            let mut frames = Frames::default();
            frames.feed(bad);
            assert!(frames.next().is_err(), "{}", String::from_utf8_lossy(bad));
        }
        let mut frames = Frames::default();
        frames.feed(&vec![b'x'; MAX_LINE_BYTES + 1]);
        assert!(frames.next().is_err(), "a line without end");
    }
}
