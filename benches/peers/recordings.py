"""The recordings of the comparison, and what is said in them.

A folder of one's own may hold, beside a recording, what is said in it: NAME.json (as in
deploy/samples), NAME.stm or NAME.txt. Without, it is only timed.
"""

import json
import re
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy
from faster_whisper.audio import decode_audio

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "deploy" / "samples"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SAMPLES))
from measure import distance, normal  # noqa: E402

SAMPLE_RATE = 16_000
# Correlation from which on two channels are one sound.
SAME_SOUND = 0.98
KINDS = {".aac", ".flac", ".m4a", ".mp3", ".mp4", ".ogg", ".opus", ".wav", ".webm"}


@dataclass(frozen=True)
class Recording:
    """A file; `said` is its reference: one text, or one for each channel, or None."""

    path: Path
    said: str | list[str] | None
    in_order: str | None = None

    @property
    def name(self):
        return self.path.name

    def is_stereo(self):
        """Whether there are two channels, and these are not the same sound (but for what a codec did to them)."""
        left, right = decode_audio(str(self.path), split_stereo=True)
        alike = numpy.dot(left, right) / max(numpy.linalg.norm(left) * numpy.linalg.norm(right), 1e-9)
        return bool(alike < SAME_SOUND)

    def edits(self, texts, mixed, apart):
        """Edits and words of the reference: of each channel's own, if `apart`, else in order of time."""
        if self.said is None:
            return None
        if isinstance(self.said, list) and apart and len(texts) == len(self.said):
            pairs = list(zip(self.said, texts))
        else:
            pairs = [(self.in_order or self.said, mixed)]
        pairs = [(normal(said), normal(heard)) for said, heard in pairs]
        return sum(distance(said, heard)[0] for said, heard in pairs), sum(len(said) for said, _ in pairs)


def by_channel(path, turns):
    """A recording from its turns: (start, channel, text)."""
    turns = sorted(turns)
    channels = sorted({channel for _, channel, _ in turns})
    said = [" ".join(text for _, where, text in turns if where == channel) for channel in channels]
    in_order = " ".join(text for _, _, text in turns)
    return Recording(path, said if len(said) > 1 else in_order, in_order)


def from_json(path, reference):
    truth = json.loads(reference.read_text("utf-8"))
    turns = [(turn["start_ms"], turn["channel"], turn["text"]) for turn in truth["turns"]]
    # A channel on which nobody speaks is one, too.
    silent = [(0, at, "") for at in range(len(truth["channels"]))]
    return by_channel(path, silent + turns)


def from_stm(path, reference):
    turns = []
    for line in reference.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith(";;"):
            continue
        _, channel, _, start, _, text = line.split(None, 5)
        turns.append((float(start), channel, re.sub(r"^<[^>]*>\s*", "", text)))
    return by_channel(path, turns)


def in_folder(folder):
    """The recordings in a folder, with their references."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in KINDS:
            continue
        if (reference := path.with_suffix(".json")).exists():
            yield from_json(path, reference)
        elif (reference := path.with_suffix(".stm")).exists():
            yield from_stm(path, reference)
        elif (reference := path.with_suffix(".txt")).exists():
            yield Recording(path, reference.read_text("utf-8"))
        else:
            yield Recording(path, None)


def of_librivox(folder):
    """The read sentences of Debian's pocketsphinx-testdata, if setup.sh could get it."""
    listing = folder / "transcription"
    for line in listing.read_text("utf-8").splitlines() if listing.exists() else []:
        text, name = re.fullmatch(r"<s>(.*)</s>\s*\((.*)\)", line.strip()).groups()
        if (path := folder / f"{name}.wav").exists():
            yield Recording(path, text)


def long_call(path):
    """The stereo sample calls one after another: what is short says little about batches."""
    parts = [one for one in in_folder(SAMPLES) if isinstance(one.said, list)]
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        for part in parts:
            both = numpy.stack(decode_audio(str(part.path), split_stereo=True), axis=1)
            out.writeframes((numpy.clip(both, -1, 1) * 32_767).astype("<i2").tobytes())
    said = [" ".join(texts) for texts in zip(*(part.said for part in parts))]
    return Recording(path, said, " ".join(part.in_order for part in parts))


def all_recordings(own, librivox, scratch, names):
    """What is to be transcribed: only what is in `names`, if that is not empty."""
    found = list(in_folder(own)) if own else []
    found += [*in_folder(SAMPLES), *of_librivox(librivox), long_call(scratch / "all-samples.wav")]
    chosen = [one for one in found if not names or one.name in names or one.path.stem in names]
    missing = [name for name in names if not any(name in (one.name, one.path.stem) for one in chosen)]
    if missing or not chosen:
        raise SystemExit(f"bench: no recording {', '.join(missing)}; there are {', '.join(one.name for one in found)}")
    return chosen
