//! A small file server on the loopback interface that misbehaves on demand, and wheels for pip.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use colloquy_assets::{Digest, Event, Fetcher, Manifest, Progress, Settings, platform};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// How the server treats one request; well, if nothing else was asked for.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    /// Sends so many bytes of the body and closes the connection.
    Cut(usize),
    /// Sends the head and then nothing for that long.
    Stall(Duration),
    /// Answers with this status.
    Refuse(u16),
    /// Sends the whole file, whatever range was asked for.
    IgnoreRange,
}

#[derive(Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    moods: VecDeque<Mood>,
    requests: Vec<(String, Option<usize>)>,
}

/// The server. It ends with the test's process.
pub(crate) struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let server = Self {
            address,
            state: Arc::clone(&state),
        };
        files
            .iter()
            .for_each(|(name, content)| server.put(name, content));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                thread::spawn(move || drop(serve(stream.unwrap(), &state)));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        self.state
            .lock()
            .unwrap()
            .files
            .insert(format!("/files/{name}"), content.to_vec());
    }

    /// Treats the next requests like this, one after the other.
    pub(crate) fn plan(&self, moods: &[Mood]) {
        self.state.lock().unwrap().moods = moods.iter().copied().collect();
    }

    /// Forgets and returns the requests so far: path and first byte asked for.
    pub(crate) fn requests(&self) -> Vec<(String, Option<usize>)> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = None;
    for line in lines {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse::<usize>().ok();
        }
        if line.is_empty() {
            break;
        }
    }
    let (content, mood) = {
        let mut state = state.lock().unwrap();
        state.requests.push((path.clone(), start));
        (state.files.get(&path).cloned(), state.moods.pop_front())
    };
    answer(&mut stream, content, start, mood)
}

fn answer(
    stream: &mut TcpStream,
    content: Option<Vec<u8>>,
    start: Option<usize>,
    mood: Option<Mood>,
) -> std::io::Result<()> {
    let refusal = match mood {
        Some(Mood::Refuse(status)) => Some(status),
        _ => content.is_none().then_some(404),
    };
    if let Some(status) = refusal {
        return write!(
            stream,
            "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let content = content.unwrap_or_default();
    let start = start.filter(|_| !matches!(mood, Some(Mood::IgnoreRange)));
    let all = content.len();
    if start.is_some_and(|start| start >= all) {
        return write!(
            stream,
            "HTTP/1.1 416 No\r\ncontent-range: bytes */{all}\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
    }
    let body = &content[start.unwrap_or(0)..];
    match start {
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
        Some(start) => write!(
            stream,
            "HTTP/1.1 206 Partial\r\ncontent-range: bytes {start}-{}/{all}\r\n",
            all - 1
        )?,
    }
    write!(
        stream,
        "content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    match mood {
        Some(Mood::Cut(count)) => stream.write_all(&body[..count.min(body.len())]),
        Some(Mood::Stall(time)) => {
            stream.flush()?;
            thread::sleep(time);
            Ok(())
        }
        _ => stream.write_all(body),
    }
}

/// An address where nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Bytes that look like nothing in particular, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A manifest of one asset, `thing`, with these files and sources.
pub(crate) fn manifest(files: &[(&str, &[u8])], sources: &[String]) -> Manifest {
    let list: Vec<String> = files
        .iter()
        .map(|(path, content)| {
            let (size, digest) = (content.len(), Digest::of(content));
            format!("{{ path = \"{path}\", size = {size}, sha256 = \"{digest}\" }}")
        })
        .collect();
    let text = format!(
        "[[asset]]\nname = \"thing\"\nversion = \"1\"\nlicence = \"MIT\"\npurpose = \"a test\"\n\
         homepage = \"https://example.org/thing\"\nfiles = [{}]\n{}",
        list.join(", "),
        sources.join("\n")
    );
    Manifest::parse(&text, &platform()).unwrap()
}

pub(crate) fn folder_source(url: &str) -> String {
    format!("[[asset.source]]\nfolder = \"{url}\"")
}

/// A source of packages: name, and which file of the asset is which of the wheel.
pub(crate) fn package_source(packages: &[(&str, &[(&str, &str)])]) -> String {
    let mut text = "[[asset.source]]\n".to_owned();
    for (name, take) in packages {
        text += &format!("[[asset.source.package]]\nname = \"{name}\"\n");
        text += "[asset.source.package.take]\n";
        for (file, member) in *take {
            text += &format!("\"{file}\" = \"{member}\"\n");
        }
    }
    text
}

/// A fetcher that does not wait long.
pub(crate) fn fetcher() -> Fetcher {
    Fetcher::new(quick())
}

pub(crate) fn quick() -> Settings {
    Settings {
        first_pause: Duration::from_millis(1),
        stall_limit: Duration::from_secs(20),
        ..Settings::default()
    }
}

/// Writes a wheel with these members.
pub(crate) fn write_wheel(folder: &Path, name: &str, members: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join(format!("{name}-1.0.0-py3-none-any.whl"));
    let mut archive = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let info = format!("{name}-1.0.0.dist-info");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n");
    let tag = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    let meta: [(String, &[u8]); 3] = [
        (format!("{info}/METADATA"), metadata.as_bytes()),
        (format!("{info}/WHEEL"), tag),
        (format!("{info}/RECORD"), b""),
    ];
    let meta = meta
        .iter()
        .map(|(member, content)| (member.as_str(), *content));
    for (member, content) in members.iter().copied().chain(meta) {
        archive
            .start_file(member, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
    path
}

/// A program in place of the Python interpreter.
#[cfg(unix)]
pub(crate) fn script(folder: &Path, text: &str) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("python");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.into()
}

/// Counts what it is told.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) retries: usize,
    pub(crate) failures: usize,
    pub(crate) waits: usize,
}

impl Progress for Counter {
    fn tell(&mut self, event: &Event<'_>) {
        match event {
            Event::Retrying { .. } => self.retries += 1,
            Event::SourceFailed { .. } => self.failures += 1,
            Event::Waiting { .. } => self.waits += 1,
            _ => {}
        }
    }
}
