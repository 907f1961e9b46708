//! Damages a recording at random, but the same way each time for the same numbers.

/// A small generator whose row of numbers is given by its seed.
pub(crate) struct Random(u64);

impl Random {
    /// The generator of one case of a run.
    pub(crate) fn new(seed: u64, case: u64) -> Self {
        let mut this = Self(seed ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        this.below(1);
        this
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Names in front of, or behind, numbers that a reader believes.
const NAMES: [&[u8]; 48] = [
    b"RIFF",
    b"WAVE",
    b"fmt ",
    b"data",
    b"fact",
    b"LIST",
    b"FORM",
    b"COMM",
    b"SSND",
    b"fLaC",
    b"OggS",
    b"OpusHead",
    b"\x01vorbis",
    b"\x03vorbis",
    b"\x05vorbis",
    b"\x7FFLAC",
    b"Xing",
    b"Info",
    b"LAME",
    b"VBRI",
    b"ID3",
    b"ftyp",
    b"moov",
    b"mvhd",
    b"trak",
    b"edts",
    b"elst",
    b"mdia",
    b"mdhd",
    b"hdlr",
    b"minf",
    b"stbl",
    b"stsd",
    b"mp4a",
    b"esds",
    b"dOps",
    b"alac",
    b"stts",
    b"stsc",
    b"stsz",
    b"stco",
    b"mdat",
    // Matroska: EBML, segment, info, tracks, cluster, block.
    &[0x1A, 0x45, 0xDF, 0xA3],
    &[0x18, 0x53, 0x80, 0x67],
    &[0x15, 0x49, 0xA9, 0x66],
    &[0x16, 0x54, 0xAE, 0x6B],
    &[0x1F, 0x43, 0xB6, 0x75],
    &[0x63, 0xA2],
];

/// Bytes that more depends on than on others.
const EXTREMES: [u64; 12] = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    u64::MAX,
];

/// Damages `bytes` in one to four ways; `other` is another recording to take parts of.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        match random.below(9) {
            0 | 1 => set_byte(bytes, random),
            2 => set_field(bytes, random),
            3 | 4 => set_field_at_a_name(bytes, random),
            5 => flip_bits(bytes, random),
            6 => splice(bytes, other, random),
            7 => remove_or_repeat(bytes, random),
            _ if random.below(3) == 0 => bytes.truncate(random.below(bytes.len())),
            _ => set_byte(bytes, random),
        }
    }
    // Half of the time pages with wrong checksums stay as they are, and are skipped as a whole.
    if random.below(2) == 0 {
        repair_ogg_checksums(bytes);
    }
}

/// A place: mostly in the header, where a byte does most.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    let reach = match random.below(3) {
        0 => bytes.len(),
        _ => bytes.len().min(600),
    };
    random.below(reach)
}

fn set_byte(bytes: &mut [u8], random: &mut Random) {
    let at = place(bytes, random);
    bytes[at] = match random.below(4) {
        0 => 0,
        1 => 0xFF,
        2 => bytes[at] ^ (1 << random.below(8)),
        _ => random.below(256) as u8,
    };
}

/// A number of 1 to 8 bytes becomes an extreme one.
fn set_field(bytes: &mut [u8], random: &mut Random) {
    let at = place(bytes, random);
    put(bytes, at, random);
}

/// The number in front of or behind a name becomes an extreme one: a size that lies.
fn set_field_at_a_name(bytes: &mut [u8], random: &mut Random) {
    let name = random.pick(&NAMES);
    let found = bytes.windows(name.len()).position(|part| part == name);
    let Some(at) = found else {
        return set_field(bytes, random);
    };
    let behind = at + name.len() + random.below(24);
    let place = if random.below(3) == 0 {
        at.saturating_sub(4)
    } else {
        behind
    };
    put(bytes, place, random);
}

fn put(bytes: &mut [u8], at: usize, random: &mut Random) {
    let value = match random.below(3) {
        0 => bytes.len() as u64 + random.below(64) as u64,
        1 => random.below(1 << 24) as u64,
        _ => random.pick(&EXTREMES),
    };
    let size = random.pick(&[1, 2, 3, 4, 4, 4, 8]);
    let number = match random.below(2) {
        0 => value.to_le_bytes()[..size].to_vec(),
        _ => value.to_be_bytes()[8 - size..].to_vec(),
    };
    for (byte, new) in bytes.iter_mut().skip(at).zip(number) {
        *byte = new;
    }
}

fn flip_bits(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(64) {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
}

/// A part of another recording, over or into this one.
fn splice(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let from = random.below(other.len());
    let part = &other[from..(from + 1 + random.below(4_000)).min(other.len())];
    let at = place(bytes, random);
    let until = if random.below(2) == 0 {
        at
    } else {
        (at + part.len()).min(bytes.len())
    };
    bytes.splice(at..until, part.iter().copied());
}

fn remove_or_repeat(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = place(bytes, random);
    let end = (at + 1 + random.below(2_000)).min(bytes.len());
    if random.below(2) == 0 {
        bytes.drain(at..end);
    } else {
        let part = bytes[at..end].to_vec();
        bytes.splice(at..at, part);
    }
}

/// Gives each Ogg page the checksum it needs to be read at all.
fn repair_ogg_checksums(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = bytes
        .get(at..at + 27)
        .filter(|page| page.starts_with(b"OggS"))
    {
        let segments = usize::from(header[26]);
        let Some(table) = bytes.get(at + 27..at + 27 + segments) else {
            return;
        };
        let body: usize = table.iter().map(|&lacing| usize::from(lacing)).sum();
        let end = (at + 27 + segments + body).min(bytes.len());
        bytes[at + 22..at + 26].fill(0);
        let checksum = bytes[at..end].iter().fold(0, |crc: u32, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 }
            })
        });
        bytes[at + 22..at + 26].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}
