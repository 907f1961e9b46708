"""The table in the terminal, and what is concluded from it.

Times are seconds of computing for a second of audio; the file's length counts once, however many channels
it has. Minimum and median are taken over the rounds, for each file and tool; sums are sums of these.
"""

from statistics import mean, median

TIME_TARGET = 0.6


class Table:
    """Columns as wide as what is in them; the first to the left, the others to the right."""

    def __init__(self, *head):
        self.rows = [head]

    def add(self, *row):
        self.rows.append(row)

    def print(self):
        widths = [max(len(row[at]) for row in self.rows) for at in range(len(self.rows[0]))]
        for row in self.rows:
            cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
            print("  ".join(cells).rstrip())


def way_of(run):
    """The way that is judged: stereo channel by channel, for that is what ours does."""
    return "apart" if run["stereo"] else "mixed"


def per_file(runs):
    """For each tool and file the statistics of its rounds."""
    groups = {}
    for run in runs:
        groups.setdefault((run["tool"], run["file"]), []).append(run)
    result = {}
    for (tool, file), group in groups.items():
        audio = group[0]["audio_seconds"]
        sides = {"time": [run["seconds"] for run in group], "decode": [run["decode_seconds"] for run in group],
                 "total": [run["seconds"] + run["decode_seconds"] for run in group],
                 "cpu": [run["cpu_seconds"] for run in group]}
        row = {name: {"min": min(values), "median": median(values)} for name, values in sides.items()}
        row |= {"audio": audio, "peak_mib": max(run["peak_mib"] for run in group)}
        if group[0]["edits"] is not None:
            row |= {"edits": mean(run["edits"] for run in group), "reference_words": group[0]["reference_words"]}
        result.setdefault(tool, {})[file] = row
    return result


def best(of, rivals, file, side, statistic):
    """The fastest rival's seconds for a file."""
    return min(of[tool][file][side][statistic] for tool in of if tool in rivals)


def wer(rows):
    known = [row for row in rows if row.get("reference_words")]
    words = sum(row["reference_words"] for row in known)
    return 100 * sum(row["edits"] for row in known) / words if words else None


def ratio(of, judged, files, side, statistic):
    """Ours to the rivals' best, which is chosen anew for each file."""
    ours, rivals = judged
    if not any(tool in rivals for tool in of):
        return None
    return (sum(of[ours][file][side][statistic] for file in files)
            / sum(best(of, rivals, file, side, statistic) for file in files))


def percent(value):
    return "-" if value is None else f"{value:.1f}"


def times(value):
    return "-" if value is None else f"{value:.2f}"


def speed(row, side="time"):
    return f"{row[side]['min'] / row['audio']:.4f} ({row[side]['median'] / row['audio']:.4f})"


def sums(rows):
    """The sums over files, shaped as one file's row."""
    whole = {side: {statistic: sum(row[side][statistic] for row in rows) for statistic in ("min", "median")}
             for side in ("time", "decode", "total", "cpu")}
    return whole | {"audio": sum(row["audio"] for row in rows)}


def print_files(of, judged, stereo):
    tools = list(of)
    table = Table("file", "audio s", *tools, "ratio", "WER %", "peak MiB")
    for file, row in of[judged[0]].items():
        table.add(
            file + (" *" if stereo[file] else ""), f"{row['audio']:.1f}",
            *(speed(of[tool][file]) for tool in tools), times(ratio(of, judged, [file], "time", "min")),
            " / ".join(percent(wer([of[tool][file]])) for tool in tools),
            " / ".join(f"{of[tool][file]['peak_mib']:.0f}" for tool in tools),
        )
    table.print()


def print_sums(of, judged, processes):
    tools = list(of)
    files = list(of[judged[0]])
    table = Table("all files", *tools, "ratio")
    whole = {tool: sums(list(of[tool].values())) for tool in tools}
    for side, title in {"time": "transcription", "decode": "decoding", "total": "both", "cpu": "processor time"}.items():
        table.add(f"{title}, s/s", *(speed(whole[tool], side) for tool in tools),
                  times(ratio(of, judged, files, side, "min")))
    table.add("WER %", *(percent(wer(of[tool].values())) for tool in tools), "")
    table.add("peak of the process, MiB", *(f"{processes[tool]['peak_mib']:.0f}" for tool in tools), "")
    table.add("peak while loading, MiB", *(f"{processes[tool]['loaded_peak_mib']:.0f}" for tool in tools), "")
    table.add("loading, s", *(f"{processes[tool]['load_seconds']:.2f}" for tool in tools), "")
    table.print()


def by_tool(processes):
    """One row for a tool, of however many processes it had."""
    result = {}
    for process in processes:
        row = result.setdefault(process["tool"], dict(process))
        for key in ("peak_mib", "loaded_peak_mib"):
            row[key] = max(row[key], process[key])
        row["load_seconds"] = min(row["load_seconds"], process["load_seconds"])
    return result


def judge(of, judged, processes):
    """Whether the targets are met, by medians; each against the better of the rivals."""
    ours, rivals = judged[0], [tool for tool in of if tool in judged[1]]
    if not rivals:
        return {}
    wers = {tool: wer(of[tool].values()) for tool in of}
    verdict = {
        "time": {"ours": ratio(of, judged, list(of[ours]), "time", "median"), "at_most": TIME_TARGET},
        "memory_mib": {"ours": processes[ours]["peak_mib"],
                       "at_most": min(processes[tool]["peak_mib"] for tool in rivals)},
    }
    if wers[ours] is not None:
        verdict["wer_percent"] = {"ours": wers[ours], "at_most": min(wers[tool] for tool in rivals)}
    for target in verdict.values():
        target["met"] = target["ours"] <= target["at_most"]
    return verdict


def print_verdict(verdict):
    names = {"time": "time, ours to faster-whisper's best (medians)", "wer_percent": "WER %", "memory_mib": "peak memory, MiB"}
    for key, target in verdict.items():
        print(f"target: {names[key]}: {target['ours']:.2f}, at most {target['at_most']:.2f}: "
              f"{'met' if target['met'] else 'MISSED'}")
    if not verdict:
        print("target: none judged, for faster-whisper was not measured")


def print_mixed(runs, judged):
    """Stereo files the way a peer takes a file: one channel of both. Half the work, and no speakers."""
    of = per_file(run for run in runs if run["stereo"] and run["way"] == "mixed")
    if len(of) < 2:
        return None
    value = ratio(of, judged, list(of[judged[0]]), "time", "min")
    rates = ", ".join(f"{tool} {speed(sums(list(of[tool].values())))}, WER {percent(wer(of[tool].values()))}" for tool in of)
    print(f"stereo files (*) mixed to one channel by the peers, words in order of time: {rates}; ratio {times(value)}")
    return value


def report(everything, ours, rivals):
    """Prints all of it; what was concluded, by model."""
    setup, judged, summary = everything["setup"], (ours, rivals), {}
    print(f"{setup['processor']}, {setup['cores']} cores; {setup['compute_type']}, threads {setup['threads']}, "
          f"beam {setup['beam_size']}, batch {setup['batch_size']}, language {setup['language']}; "
          f"faster-whisper {setup['faster_whisper']}, CTranslate2 {setup['ctranslate2']}")
    print("seconds of computing for a second of audio, least (median) of the rounds; ratio: ours to "
          "faster-whisper's best, file by file")
    for note in everything["notes"]:
        print(note)
    for model in dict.fromkeys(run["model"] for run in everything["runs"]):
        runs = [run for run in everything["runs"] if run["model"] == model]
        of = per_file(run for run in runs if run["way"] == way_of(run))
        stereo = {run["file"]: run["stereo"] for run in runs}
        processes = by_tool(process for process in everything["processes"] if process["model"] == model)
        print(f"\n{model}  (* stereo: each channel on its own, WER against what is said on it; "
              f"WER and peak: {' / '.join(of)})")
        print_files(of, judged, stereo)
        print()
        print_sums(of, judged, processes)
        print()
        mixed = print_mixed(runs, judged)
        verdict = judge(of, judged, processes)
        print_verdict(verdict)
        summary[model] = {"targets": verdict, "ratio_stereo_mixed": mixed, "files": of}
    return summary
