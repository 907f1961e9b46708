"""Writes golden.jsonl: what Python spaCy makes of our sentences.

    python -m venv venv && venv/bin/pip install 'spacy>=3.8,<3.9'
    venv/bin/python make.py FOLDER_OF_THE_MODEL [FILE SEED]

With a file and a seed, it writes other sentences there, for a wider look.

One sentence a line: `t` the text, `k` its tokens (twice the length in characters, plus one if a
space follows), `e` its entities (start and end in characters, label). Lines without `e` are for
the tokenizer only. The first line says which spaCy and which model made the file.
"""

import json
import pathlib
import sys

import spacy

import sentences


def main():
    folder = pathlib.Path(sys.argv[1])
    out = pathlib.Path(__file__).parent / "golden.jsonl"
    seed = 20260101
    if len(sys.argv) > 3:
        out, seed = sys.argv[2], int(sys.argv[3])
    # The recognizer has its own token-to-vector layer; nothing else in the pipeline is needed.
    nlp = spacy.load(folder, exclude=["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"])
    lines = [{"spacy": spacy.__version__, "model": f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"}]
    for text in sentences.sentences(2000, seed):
        lines.append(describe(nlp(text), entities=True))
    for text in sentences.alphabet_soup(1500, seed):
        lines.append(describe(nlp.make_doc(text), entities=False))
    with open(out, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def describe(doc, entities):
    line = {"t": doc.text, "k": [2 * len(token.text) + bool(token.whitespace_) for token in doc]}
    if entities:
        line["e"] = [[entity.start_char, entity.end_char, entity.label_] for entity in doc.ents]
    return line


if __name__ == "__main__":
    main()
