//! What a file is, by its first bytes alone.

use super::DecodeError;
use super::container::mp3;

/// Bytes looked at.
pub(super) const HEAD_BYTES: usize = 16_384;

/// A format that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Wav,
    Aiff,
    Flac,
    Ogg,
    Mp3,
    Mp4,
    Matroska,
    Adts,
}

impl Kind {
    /// As reported in [`SourceInfo`](super::SourceInfo).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Aiff => "aiff",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
            Self::Matroska => "webm",
            Self::Adts => "adts",
        }
    }
}

/// Recognizes the first bytes of a file (up to [`HEAD_BYTES`]).
pub(super) fn sniff(head: &[u8]) -> Result<Kind, DecodeError> {
    if let Some(kind) = container(head)? {
        return Ok(kind);
    }
    if let Some(error) = encrypted(head)
        .or_else(|| unsupported(head))
        .or_else(|| other(head))
    {
        return Err(error);
    }
    // Formats without a magic number come last, when nothing else fits.
    if mp3::looks_like_adts(head) {
        return Ok(Kind::Adts);
    }
    if mp3::find_frames(head).is_some() {
        return Ok(Kind::Mp3);
    }
    let looks_like = if is_text(head) {
        "a text file"
    } else {
        "data of an unknown kind"
    };
    Err(DecodeError::NotAudio { looks_like })
}

fn at(head: &[u8], offset: usize, magic: &[u8]) -> bool {
    head.get(offset..offset + magic.len()) == Some(magic)
}

fn container(head: &[u8]) -> Result<Option<Kind>, DecodeError> {
    let kind = if at(head, 0, b"RIFF") && at(head, 8, b"WAVE") {
        Kind::Wav
    } else if at(head, 0, b"FORM") && (at(head, 8, b"AIFF") || at(head, 8, b"AIFC")) {
        Kind::Aiff
    } else if at(head, 0, b"fLaC") {
        Kind::Flac
    } else if at(head, 0, b"OggS") {
        Kind::Ogg
    } else if at(head, 0, &[0x1A, 0x45, 0xDF, 0xA3]) {
        Kind::Matroska
    } else if at(head, 0, b"ID3") {
        // FLAC and ADTS files with an ID3 tag in front are told apart behind the tag.
        Kind::Mp3
    } else if is_mp4(head) {
        Kind::Mp4
    } else {
        return Ok(None);
    };
    Ok(Some(kind))
}

fn is_mp4(head: &[u8]) -> bool {
    const BOXES: [&[u8; 4]; 6] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"];
    BOXES.iter().any(|name| at(head, 4, *name))
}

fn encrypted(head: &[u8]) -> Option<DecodeError> {
    let zip = at(head, 0, b"PK\x03\x04");
    let what = if zip && head.get(6).is_some_and(|flags| flags & 1 == 1) {
        "a password-protected ZIP archive"
    } else if at(head, 0, b"-----BEGIN PGP MESSAGE") {
        "a PGP-encrypted file"
    } else if at(head, 0, b"-----BEGIN PKCS7") || at(head, 0, b"-----BEGIN CMS") {
        "an S/MIME-encrypted file"
    } else if at(head, 0, b"age-encryption.org/") {
        "an age-encrypted file"
    } else if at(head, 0, b"Salted__") {
        "an OpenSSL-encrypted file"
    } else if is_pgp(head) {
        "a PGP-encrypted file"
    } else {
        return None;
    };
    Some(DecodeError::Encrypted { what })
}

/// A binary OpenPGP message: a session-key packet, old format (0x84, 0x85) or new (0xC1, 0xC3),
/// whose version is one that exists.
fn is_pgp(head: &[u8]) -> bool {
    matches!(
        head,
        [0x84 | 0x8C, _, 3 | 4, ..]
            | [0x85, _, _, 3, ..]
            | [0xC1, _, 3 | 6, ..]
            | [0xC1, 0xC0..=0xDF, _, 3 | 6, ..]
            | [0xC3, 0x04..=0x40, 4..=6, ..]
    )
}

/// Audio and video the platform does not read.
fn unsupported(head: &[u8]) -> Option<DecodeError> {
    const ASF: &[u8] = &[0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11];
    let formats: [(usize, &[u8], &str); 14] = [
        (0, b"RF64", "RF64 (WAV over 4 GiB)"),
        (0, b"BW64", "BW64 (WAV over 4 GiB)"),
        (0, b"RIFX", "big-endian WAV (RIFX)"),
        (8, b"AVI ", "AVI video"),
        (0, ASF, "Windows Media (WMA, WMV)"),
        (0, b"#!AMR", "AMR"),
        (0, b"#!SILK_V3", "SILK"),
        (0, b"caff", "Apple Core Audio (CAF)"),
        (0, b".snd", "Sun audio (AU)"),
        (0, b"wvpk", "WavPack"),
        (0, b"MAC ", "Monkey's Audio"),
        (0, b"MThd", "MIDI"),
        (0, b".RMF", "RealMedia"),
        (0, b"FLV\x01", "Flash video"),
    ];
    let found = formats
        .iter()
        .find(|(offset, magic, _)| at(head, *offset, magic));
    found.map(|&(_, _, format)| DecodeError::UnsupportedFormat { format })
}

/// Things that are no audio at all.
fn other(head: &[u8]) -> Option<DecodeError> {
    let kinds: [(usize, &[u8], &str); 17] = [
        (0, b"PK\x03\x04", "a ZIP archive or an Office document"),
        (0, b"PK\x05\x06", "an empty ZIP archive"),
        (0, b"%PDF", "a PDF document"),
        (0, b"\x89PNG", "a PNG image"),
        (0, b"GIF8", "a GIF image"),
        (0, b"\xFF\xD8\xFF", "a JPEG image"),
        (8, b"WEBP", "a WebP image"),
        (0, b"BM", "a bitmap image"),
        (0, b"\x1F\x8B", "a gzip archive"),
        (0, b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive"),
        (0, b"Rar!", "a RAR archive"),
        (0, b"BZh", "a bzip2 archive"),
        (0, b"\xFD7zXZ", "an xz archive"),
        (0, b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
        (0, b"\x7FELF", "a program"),
        (0, b"MZ", "a program"),
        (0, b"\xD0\xCF\x11\xE0", "an Office document"),
    ];
    if let Some(&(_, _, looks_like)) = kinds
        .iter()
        .find(|(offset, magic, _)| at(head, *offset, magic))
    {
        return Some(DecodeError::NotAudio { looks_like });
    }
    let looks_like = match text_start(head)?.as_slice() {
        start if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") => {
            "a web page (HTML), perhaps an error page"
        }
        start if start.starts_with(b"<?xml") => "an XML document",
        start if start.starts_with(b"{") || start.starts_with(b"[") => "a JSON document",
        start if start.starts_with(b"#extm3u") => "a playlist",
        _ => "a text file",
    };
    Some(DecodeError::NotAudio { looks_like })
}

/// The first letters of a text, lower-cased; `None` if it is no text.
fn text_start(head: &[u8]) -> Option<Vec<u8>> {
    if !is_text(head) {
        return None;
    }
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    Some(
        head.trim_ascii_start()
            .iter()
            .take(32)
            .map(u8::to_ascii_lowercase)
            .collect(),
    )
}

fn is_text(head: &[u8]) -> bool {
    let sample = &head[..head.len().min(512)];
    let printable = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E | 0x80..=0xFF);
    let ascii = sample.iter().filter(|b| b.is_ascii()).count();
    // A multi-byte letter may be cut at the end of the sample.
    let utf8 = std::str::from_utf8(sample)
        .map_or_else(|e| e.error_len().is_none() && e.valid_up_to() > 0, |_| true);
    utf8 && ascii * 2 >= sample.len() && sample.iter().all(printable)
}
