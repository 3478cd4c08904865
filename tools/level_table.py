#!/usr/bin/env python3
"""level_table.py STUDY_FOLDER: accuracy by level of each variant's final models, mean over seeds, with the paired
difference to the first variant (mean, t interval over seeds)."""
import json
import pathlib
import re
import sys
import tomllib

from ratchet_table import interval, mean


def levels(run, kind):
    file = sorted((run / "benchmark").glob(f"final{kind}_benchmark_results_*.json"))[-1]
    return {level: 100 * v["accuracy"] for level, v in json.loads(file.read_text())["summary"]["levels"].items()}


def main():
    runs = {}  # variant -> seed -> folder
    for path in sorted(pathlib.Path(sys.argv[1]).glob("runs/*/summary.json")):
        found = re.fullmatch(r"(.+)-s(\d+)", path.parent.name)
        runs.setdefault(found[1], {})[found[2]] = path.parent
    study = tomllib.loads((pathlib.Path(sys.argv[1]) / "study.toml").read_text())
    order = [v["name"] for v in study["variant"] if v["name"] in runs]
    first = runs[order[0]]
    wanted = sorted(levels(next(iter(first.values())), ""))
    print("| variant | seeds | " + " | ".join(f"{kind} {level}" for kind in ("greedy", "sampled") for level in wanted)
          + " | sampled, hardest level, against the first |")
    print("|---|" + "---|" * (2 + 2 * len(wanted)))
    for name in order:
        group, cells = runs[name], []
        for kind in ("", "_sampled"):
            values = [levels(run, kind) for run in group.values()]
            cells += [f"{mean([v[level] for v in values]):.1f} %" for level in wanted]
        differences = [levels(group[s], "_sampled")[wanted[-1]] - levels(first[s], "_sampled")[wanted[-1]] for s in group]
        cells.append("-" if name == order[0] else f"{mean(differences):+.1f} {interval(differences)}")
        print(f"| {name} | {len(group)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
