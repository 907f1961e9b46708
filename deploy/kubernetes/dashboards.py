#!/usr/bin/env python3
"""Checks the dashboards of the chart, without a Grafana.

    dashboards.py PROMTOOL

A strict schema of what the dashboards use of Grafana's dashboard JSON (its version 39, whose types are in
the package @grafana/schema), and what no schema says: panels that lie beside each other, variables that
are there, legends with labels that the expression leaves, expressions that Prometheus parses. Faults are
put in on purpose first, and must be found. The names of metrics are metrics.py's.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / "helm" / "colloquy" / "files" / "dashboards"
COLUMNS = 24
# What Grafana itself puts in for a variable, with something in its place that Prometheus parses.
OWN_VARIABLES = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}


def main():
    promtool = sys.argv[1]
    dashboards = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    missed = [what for what, spoil in FAULTS.items() if not found(dashboards, spoil, what, promtool)]
    problems = check(dashboards) + parsed(dashboards, promtool)
    for problem in problems:
        print(problem)
    for what in missed:
        print(f"not found, though it was put in: {what}")
    panels = sum(len(one["panels"]) for one in dashboards.values())
    print(f"dashboards: {len(dashboards)} with {panels} panels, {len(problems)} problems; "
          f"{len(FAULTS) - len(missed)} of {len(FAULTS)} faults found")
    sys.exit(1 if problems or missed or not dashboards else 0)


def check(dashboards):
    problems = []
    validator = jsonschema.Draft202012Validator(json.loads((HERE / "dashboard.schema.json").read_text()))
    for name, dashboard in dashboards.items():
        found_by_schema = [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(dashboard)]
        problems += found_by_schema
        if not found_by_schema:
            problems += [f"{name}: {problem}" for problem in meaning(dashboard)]
    for what in ("uid", "title"):
        values = [dashboard.get(what) for dashboard in dashboards.values()]
        problems += [f"{value} is the {what} of two dashboards" for value in set(values) if values.count(value) > 1]
    return problems


def meaning(dashboard):
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    yield from (f"two panels have the id {one}" for one in sorted(set(ids)) if ids.count(one) > 1)
    titles = [panel["title"] for panel in panels]
    yield from (f"two panels are called {one}" for one in sorted(set(titles)) if titles.count(one) > 1)
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']} is wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']} lies on {taken[x, y]}"
                    break
                taken[x, y] = panel["title"]
            else:
                continue
            break
    lines = {y for _, y in taken}
    if lines != set(range(len(lines))):
        yield "there are lines without panels"
    known = {variable["name"] for variable in dashboard["templating"]["list"]} | set(OWN_VARIABLES)
    for name in sorted(set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - known):
        yield f"the variable {name} is not defined"
    for link in dashboard["links"]:
        if not set(link["tags"]) <= set(dashboard["tags"]):
            yield "it links to dashboards by tags that it has not itself"
    for panel in panels:
        references = [target["refId"] for target in panel.get("targets", [])]
        if len(set(references)) != len(references):
            yield f"{panel['title']} has two queries of the same name"
        for target in panel.get("targets", []):
            yield from legend(panel["title"], target)


def legend(title, target):
    """A legend names labels that are left, and tells lines apart."""
    # The outermost aggregation decides. Where there is none, all labels are there.
    aggregated = re.match(
        r"\s*(?:histogram_quantile\([^,]+,\s*)?(?:sum|max|min|avg|count)\s*(?:by \(([^)]*)\))?", target["expr"])
    left = {label.strip() for label in (aggregated[1] or "").split(",") if label} if aggregated else set()
    named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
    if aggregated and named - left:
        yield f"{title}: the legend names {sorted(named - left)}, which the expression does not leave"
    if aggregated and left - named - {"le"}:
        yield f"{title}: the legend does not tell lines apart by {sorted(left - named - {'le'})}"


def parsed(dashboards, promtool):
    """Every expression as a rule, which promtool parses."""
    rules = []
    for name, dashboard in dashboards.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"]
                for variable, value in OWN_VARIABLES.items():
                    expression = re.sub(rf"\$(?:{variable}\b|\{{{variable}\}})", value, expression)
                labels = {"where": f"{name}, {panel['title']}, {target['refId']}"}
                rules.append({"record": "expression", "expr": expression, "labels": labels})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
        file.flush()
        done = subprocess.run(
            [promtool, "check", "rules", file.name], capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"promtool: {line}" for line in done.stderr.strip().splitlines()]


def found(dashboards, spoil, what, promtool):
    changed = copy.deepcopy(dashboards)
    first = next(iter(changed.values()))
    spoil(first, next(panel for panel in first["panels"] if panel["type"] != "row"))
    problems = check(changed) or parsed(changed, promtool)
    return any(what in problem for problem in problems)


# What problems say, and what is done to a dashboard and its first panel for that.
FAULTS = {
    "have the id": lambda d, p: p.update(id=d["panels"][-1]["id"]),
    "lies on": lambda d, p: p["gridPos"].update(y=p["gridPos"]["y"] + 1),
    "lines without panels": lambda d, p: d["panels"][-1]["gridPos"].update(y=500),
    "wider than the page": lambda d, p: p["gridPos"].update(x=20, y=900),
    "is not defined": lambda d, p: p["targets"][0].update(expr="up{job=\"$job\"}"),
    "which the expression does not leave": lambda d, p: p["targets"][0].update(legendFormat="{{pod}}"),
    "does not tell lines apart": lambda d, p: p["targets"][0].update(legendFormat="all", expr="sum by (pod) (up)"),
    "promtool": lambda d, p: p["targets"][0].update(legendFormat="all", expr="sum(rate(up[5m])"),
    "two queries": lambda d, p: p["targets"].append(p["targets"][0]),
    "is the uid of two": lambda d, p: d.update(uid="colloquy-processes"),
    "Additional properties": lambda d, p: p.update(span=4),
    "is not one of": lambda d, p: p["fieldConfig"]["defaults"].update(unit="furlongs"),
    "'refId' is a required property": lambda d, p: p["targets"][0].pop("refId"),
    "by tags": lambda d, p: d["links"][0].update(tags=["x"]),
}


if __name__ == "__main__":
    main()
