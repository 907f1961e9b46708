#!/usr/bin/env python3
"""Transcribes the calls with Whisper and compares with their ground truth.

    measure.py MODEL_FOLDER [NAME ...]

Needs ffmpeg and the PyPI package faster-whisper (1.2.1 was used) in the Python
that runs it, and a CTranslate2 Whisper model. Stereo calls are transcribed one
channel at a time. WER is measured after writing numbers as digits on both sides.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
UNITS = {w: n for n, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen".split())} | {"oh": 0}
TENS = {w: 10 * n for n, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
            "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
            "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
            "twentieth": 20, "thirtieth": 30}
SAME = {"okay": "ok", "mr": "mister", "hmm": "hm", "cannot": "can not", "goodbye": "good bye", "email": "e mail",
        "st": "street", "ave": "avenue", "rd": "road", "neighbour": "neighbor", "percent": "", "%": "",
        "dollars": "", "dollar": "", "cents": "", "and": "", "voicemail": "voice mail", "pickup": "pick up",
        "i'm": "i am", "it's": "it is", "that's": "that is", "i'll": "i will", "we'll": "we will", "what's": "what is",
        "there's": "there is", "you're": "you are", "didn't": "did not", "can't": "can not", "i'd": "i would"}


def normal(text):
    """Words in small letters, every number as single digits."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"\S+@\S+", lambda m: m[0].rstrip(".,?!").replace(".", " dot ").replace("@", " at "), text)
    text = re.sub(r"\.(com)\b", r" dot \1", text)
    text = re.sub(r"(\d)\.(\d)", r"\1 \2", re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text))
    text = re.sub(r"\b(\d+),(\d{3})\b(?!,)", r"\1\2", text)
    out, number, last = [], None, 0

    def flush():
        nonlocal number, last
        if number is not None:
            out.extend(str(number))
        number, last = None, 0

    for word in re.findall(r"[a-z']+|\d|%", text):
        if word in TENS or word in UNITS or word in ORDINALS:
            n = TENS.get(word, UNITS.get(word, ORDINALS.get(word)))
            fits = number is not None and (last >= 100 or (last >= 20 and last % 10 == 0 and 0 < n < 10))
            if fits:
                number += n
            else:
                flush()
                number = n
            last = n
            if word in ORDINALS:
                flush()
        elif word in ("hundred", "thousand") and number is not None:
            if word == "hundred" and number >= 1000:
                number += number % 1000 * 99
            else:
                number *= 100 if word == "hundred" else 1000
            last = 100
        elif word != "and" or number is None:
            flush()
            out += SAME.get(word, word).split()
    flush()
    joined = " ".join(out)  # "d e" and "de" are the same
    return re.sub(r"\b([b-hj-z]) (?=[b-hj-z]\b)", r"\1", joined).split()


def distance(a, b):
    """Edits from a to b, and the edits themselves."""
    rows = [[j for j in range(len(b) + 1)]]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
        rows.append(row)
    i, j, edits = len(a), len(b), []
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            if a[i] != b[j]:
                edits.append(f"{a[i]}>{b[j]}")
        elif i and rows[i][j] == rows[i - 1][j] + 1:
            i -= 1
            edits.append(f"-{a[i]}")
        else:
            j -= 1
            edits.append(f"+{b[j]}")
    return rows[-1][-1], edits[::-1]


def main():
    # Here, because benches/peers/compare.py takes `normal` and `distance` from this file.
    import numpy
    from faster_whisper import WhisperModel

    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=2)
    all_edits = all_words = all_hits = all_entities = all_phrases = phrase_hits = 0
    shifts = []
    for path in sorted(HERE.glob("*.json")):
        if sys.argv[2:] and path.stem not in sys.argv[2:]:
            continue
        truth = json.loads(path.read_text("utf-8"))
        count = len(truth["channels"])
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", HERE / truth["file"], "-ar", "16000", "-f", "f32le", "-"],
                             check=True, capture_output=True).stdout
        audio = numpy.frombuffer(raw, numpy.float32).reshape(-1, count)
        edits = words = hits = 0
        wrong, missed, notes = [], [], []
        heard = []
        for channel in range(count):
            said = [t for t in truth["turns"] if t["channel"] == channel]
            segments, _ = model.transcribe(numpy.ascontiguousarray(audio[:, channel]), language="en", beam_size=1,
                                           vad_filter=True, word_timestamps=True)
            segments = list(segments)
            text = " ".join(s.text.strip() for s in segments)
            a = normal(" ".join(t["text"] for t in said))
            b = normal(text)
            heard.append(" " + " ".join(b) + " ")
            if not said and not b:
                continue
            n, list_ = distance(a, b)
            edits, words = edits + n, words + len(a)
            wrong += list_
            # a plain word heard once and said once: how far is its start from the truth's
            mine = [(w["text"].lower(), w["start_ms"]) for t in said for w in t["words"]]
            theirs = [(re.sub(r"\W", "", w.word.lower()), w.start * 1000) for s in segments for w in s.words]
            for word, at in mine:
                if sum(w == word for w, _ in mine) == 1 == sum(w == word for w, _ in theirs):
                    shifts.append(dict(theirs)[word] - at)
        for e in truth["entities"]:
            ok = " " + " ".join(normal(e["spoken"])) + " " in heard[e["channel"]]
            hits += ok
            if not ok:
                missed.append(f"{e['type']} {e['spoken']}")
        for p in truth["phrases"]:
            ok = " " + " ".join(normal(p["text"])) + " " in heard[p["channel"]]
            phrase_hits += ok
            if not ok:
                notes.append(f"phrase {p['text']}")
        print(f"{truth['file']:26} {truth['duration_ms'] / 1000:5.1f} s  WER {100 * edits / words:4.1f} %  "
              f"entities {hits}/{len(truth['entities'])}  edits {' '.join(wrong) or '-'}"
              + (f"  not found: {'; '.join(missed + notes)}" if missed or notes else ""), flush=True)
        all_edits, all_words = all_edits + edits, all_words + words
        all_hits, all_entities = all_hits + hits, all_entities + len(truth["entities"])
        all_phrases += len(truth["phrases"])
    shifts = sorted(shifts)
    print(f"all: WER {100 * all_edits / all_words:.1f} %, entities {all_hits}/{all_entities}, phrases "
          f"{phrase_hits}/{all_phrases}; Whisper's word starts against the truth's: median "
          f"{shifts[len(shifts) // 2]:+.0f} ms, 10 % {shifts[len(shifts) // 10]:+.0f}, 90 % {shifts[len(shifts) * 9 // 10]:+.0f}")


if __name__ == "__main__":
    main()
