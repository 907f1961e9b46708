"""Writes labelled sentences and turns: `generate.py TEMPLATES COUNT SEED` prints JSON lines.

A line is {"id", "style", "text", "spans": [{"type", "start", "end"}]}, in Unicode characters. The
same templates, count and seed give the same lines. Of the speech, one in three is written as a
recognizer without casing writes it, and of the rest one sentence in twenty.
"""

import json
import re
import sys

import values

FIELD = re.compile(r"\{(\w+)\}")


def templates(path):
    with open(path, encoding="utf-8") as lines:
        lines = [line.rstrip("\n") for line in lines if line.strip() and not line.startswith("#")]
    merged = []
    for line in lines:
        # "Ship to:" is the first line of the sentence below it.
        if merged and merged[-1].endswith(":") and "{" not in merged[-1]:
            merged[-1] += "\n" + line
        else:
            merged.append(line)
    return merged


def fill(source, template):
    spoken = template.startswith("~")
    text, spans, at = "", [], 0
    template = template.lstrip("~")
    for match in FIELD.finditer(template):
        text += template[at : match.start()]
        kind, make = values.FIELDS[match.group(1)]
        value = make(source).strip()
        spans.append({"type": kind, "start": len(text), "end": len(text) + len(value)})
        text += value
        at = match.end()
    text += template[at:]
    if source.random.random() < (0.33 if spoken else 0.05):
        text, spans = plain(text, spans) if spoken else (lower(text), spans)
    return {"style": "spoken" if spoken else "written", "text": text, "spans": spans}


def lower(text):
    """In small letters, if that keeps every character in its place."""
    small = text.lower()
    return small if len(small) == len(text) else text


def plain(text, spans):
    """Without capitals, and without punctuation between words."""
    kept = [
        at for at, char in enumerate(text)
        if not (char in ",.?!;:" and (at + 1 == len(text) or text[at + 1].isspace()))
    ]
    place = {old: new for new, old in enumerate(kept)}
    moved = []
    for span in spans:
        inside = [place[at] for at in range(span["start"], span["end"]) if at in place]
        moved.append({**span, "start": inside[0], "end": inside[-1] + 1})
    return lower("".join(text[at] for at in kept)), moved


def main():
    path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    source = values.Source(seed)
    lines = templates(path)
    for number in range(count):
        line = {"id": number, **fill(source, lines[number % len(lines)])}
        print(json.dumps(line, ensure_ascii=False))


if __name__ == "__main__":
    main()
