#!/usr/bin/env python3
"""Makes helm/colloquy/README.md from README.md.in and the comments of values.yaml.

    values_docs.py [--check]

A comment that begins with `# -- ` describes the key below it. A key without one fails, unless it is a
group of keys that have one.
"""

import json
import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parent.parent.parent / "helm" / "colloquy"
KEY = re.compile(r"^( *)([A-Za-z][\w-]*):( .*)?$")


def main():
    text = (CHART / "values.yaml").read_text()
    rows = list(table(text.splitlines(), yaml.safe_load(text)))
    lines = ["| key | default | |", "|---|---|---|"]
    lines += [f"| `{key}` | `{default}` | {about} |" for key, default, about in rows]
    made = (CHART.parent.parent / "deploy" / "kubernetes" / "README.md.in").read_text()
    made = made.replace("@VALUES@", "\n".join(lines))
    target = CHART / "README.md"
    if sys.argv[1:] == ["--check"]:
        if not target.exists() or target.read_text() != made:
            sys.exit("values: helm/colloquy/README.md is stale; run deploy/kubernetes/values_docs.py")
        print(f"values: helm/colloquy/README.md describes {len(rows)} values")
    else:
        target.write_text(made)


def table(lines, values):
    path, comment = [], []
    covered = ()
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        found = KEY.match(line)
        if not found:
            comment = []
            continue
        depth = len(found[1]) // 2
        path[depth:] = [found[2]]
        about = " ".join(comment[next((i for i, c in enumerate(comment) if c.startswith("-- ")), len(comment)):])
        comment = []
        key = tuple(path)
        if covered and key[: len(covered)] == covered:
            continue
        covered = ()
        value = values
        for part in key:
            value = value[part]
        if about and not (isinstance(value, dict) and value and documented_inside(lines, line)):
            # What is below a described group is part of its default.
            covered = key if isinstance(value, dict) else ()
            yield ".".join(key), json.dumps(value, ensure_ascii=False).replace("|", "\\|"), about.removeprefix("-- ").replace("|", "\\|")
        elif not about and not isinstance(value, dict):
            sys.exit(f"values: {'.'.join(key)} has no description")


def documented_inside(lines, line):
    """Whether keys below this one have descriptions of their own."""
    at = next(i for i, one in enumerate(lines) if one is line)
    indent = len(line) - len(line.lstrip())
    for below in lines[at + 1:]:
        if not below.strip():
            continue
        if len(below) - len(below.lstrip()) <= indent:
            return False
        if below.strip().startswith("# -- "):
            return True
    return False


if __name__ == "__main__":
    main()
