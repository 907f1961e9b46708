"""Presidio's side: `presidio_side.py MODEL < LINES` prints what it finds, as `colloquy entities`.

It runs as its documentation sets it up, with a spaCy model in the place of the one it would
download. The last line is the seconds that it took, on one
thread, after it had read some lines to warm up.
"""

import json
import logging
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

from presidio_analyzer import AnalyzerEngine  # noqa: E402
from presidio_analyzer.nlp_engine import NlpEngineProvider  # noqa: E402

# Its recognizer of e-mail addresses asks for a list of domains and takes one of its own if there is
# no network: a page of traceback says so.
logging.getLogger("tldextract").setLevel(logging.CRITICAL)

WARM_UP = 50

# What Presidio's own evaluation takes for found.
THRESHOLD = 0.4


def engine(model):
    models = [{"lang_code": "en", "model_name": model}]
    configuration = {"nlp_engine_name": "spacy", "models": models}
    provider = NlpEngineProvider(nlp_configuration=configuration)
    return AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])


def main():
    analyzer = engine(sys.argv[1])
    lines = [json.loads(line) for line in sys.stdin]
    for line in lines[:WARM_UP]:
        analyzer.analyze(line["text"], "en", score_threshold=THRESHOLD)
    start = time.perf_counter()
    found = [analyzer.analyze(line["text"], "en", score_threshold=THRESHOLD) for line in lines]
    seconds = time.perf_counter() - start
    for line, results in zip(lines, found):
        entities = [
            {"entity_type": r.entity_type, "start": r.start, "end": r.end, "score": r.score}
            for r in results
        ]
        print(json.dumps({"id": line["id"], "entities": entities}))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
