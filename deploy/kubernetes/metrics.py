#!/usr/bin/env python3
"""Compares alerts and dashboards with docs/observability.md.

Every metric and label that an expression uses is documented there; the alerts are those of its table,
with the same expressions; every alert has a section in docs/runbooks.md.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = ROOT / "helm" / "colloquy" / "files"
# What Prometheus knows by itself.
OWN = {"instance", "job", "le", "up"}
# What expressions name besides metrics.
LABELS = OWN | {
    "colloquy_bucket", "colloquy_index_node", "colloquy_outcome", "colloquy_partition", "colloquy_stream",
    "colloquy_tls_file", "disk_io_direction", "http_response_status_code", "http_route", "messaging_consumer_group_name",
    "messaging_destination_template", "messaging_operation_name",
}


def main():
    text = (ROOT / "docs" / "observability.md").read_text()
    problems = []
    known = documented(text)
    for where, expression in expressions():
        for name in sorted(used(expression) - known):
            problems.append(f"{where}: {name} is not in docs/observability.md")
    problems += alerts(text)
    for problem in problems:
        print(problem)
    print(f"metrics: {len(list(expressions()))} expressions, {len(known)} names, {len(problems)} problems")
    sys.exit(1 if problems else 0)


def documented(text):
    """Prometheus' names of metrics and labels."""
    names = set(OWN) | {"target_info", "service_name", "service_version"}
    for row in re.findall(r"^\| `[^|]+\|[^\n]+$", text, re.MULTILINE):
        for word in re.findall(r"`([a-z][a-z0-9_.-]+)`", row):
            name = word.replace(".", "_")
            names.add(name)
            # The series of a histogram.
            names |= {f"{name}_{series}" for series in ("bucket", "sum", "count")} if "histogram" in row else set()
    for word in re.findall(r"`([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)`", text):
        names.add(word.replace(".", "_"))
    return names


def used(expression):
    """Names in an expression: metrics, labels in braces and behind `by`."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    words = set(re.findall(r"(?<![\w$])[a-z][a-z0-9_]{2,}", bare))
    return words - {
        "sum", "max", "min", "count", "rate", "increase", "deriv", "absent", "time", "and", "unless", "group_left",
        "histogram_quantile", "ignoring",
    }


def expressions():
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for path in sorted((FILES / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f'{path.name}, {panel["title"]}', target["expr"]


def alerts(text):
    table = {
        name: (plain(expression.replace("\\|", "|")), lasting)
        for name, expression, lasting in re.findall(r"^\| `(Colloquy\w+)` \| `(.+)` \| (\w+) \|$", text, re.MULTILINE)
    }
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    if not table:
        yield "docs/observability.md has no table of alerts"
    for name in sorted(set(table) ^ set(rules)):
        yield f"{name} is {'not a rule' if name in table else 'not in docs/observability.md'}"
    runbooks = ROOT / "docs" / "runbooks.md"
    sections = set(re.findall(r"^#+ `?(\w+)", runbooks.read_text(), re.MULTILINE)) if runbooks.exists() else set()
    for name in sorted(set(table) & set(rules)):
        rule, (expression, lasting) = rules[name], table[name]
        if plain(rule["expr"]) != expression or rule["for"] != lasting:
            yield f"{name} is another rule than in docs/observability.md"
        if not rule["annotations"]["runbook_url"].endswith(f"docs/runbooks.md#{name.lower()}"):
            yield f"{name} has another runbook"
        if name not in sections:
            yield f"{name} has no section in docs/runbooks.md"


def plain(expression):
    return re.sub(r"\s+", "", expression)


if __name__ == "__main__":
    main()
