#!/usr/bin/env python3
"""ratchet_table.py STUDY_FOLDER: the table of the ratchet study from its runs' summaries.

A row per condition and rule: change of sampled and greedy test accuracy against the base (mean over seeds with its
t interval, worst seed), decisions counted over seeds and stages, time beside that of the runs without gates.
"""
import json
import pathlib
import re
import sys

# Two-sided 95 % quantiles of t for n - 1 degrees of freedom.
T = {2: 12.706205, 3: 4.302653, 4: 3.182446, 5: 2.776445, 6: 2.570582, 7: 2.446912, 8: 2.364624, 9: 2.306004,
     10: 2.262157}


def mean(values):
    return sum(values) / len(values)


def interval(values):
    n = len(values)
    if n < 2 or n not in T:
        return "-"
    m = mean(values)
    half = T[n] * (sum((v - m) ** 2 for v in values) / (n - 1) / n) ** 0.5
    return f"[{m - half:+.1f}, {m + half:+.1f}]"


def main():
    folder = pathlib.Path(sys.argv[1])
    runs = {}
    for path in sorted(folder.glob("runs/*/summary.json")):
        found = re.fullmatch(r"(.+)-(none|threshold|sequential)-s(\d+)", path.parent.name)
        if found:
            runs.setdefault((found[1], found[2]), []).append(json.loads(path.read_text()))
    conditions = list(dict.fromkeys(condition for condition, _ in runs))
    print("| condition | rule | seeds | sampled, points | worst | greedy, points | worst | accept / hold / rollback | "
          "time |")
    print("|---|---|---|---|---|---|---|---|---|")
    for condition in conditions:
        plain = runs.get((condition, "none"), [])
        for rule in ("none", "threshold", "sequential"):
            group = runs.get((condition, rule))
            if not group:
                continue
            sampled = [run["sampled_gain_points"] for run in group]
            greedy = [run["gain_points"] for run in group]
            decisions = [stage["decision"] for run in group for stage in run["stages"]]
            counts = " / ".join(str(decisions.count(kind)) for kind in ("accept", "hold", "rollback"))
            seconds = mean([run["seconds"] for run in group])
            extra = f"{seconds:.0f} s"
            if plain and rule != "none":
                extra += f" ({100 * seconds / mean([run['seconds'] for run in plain]) - 100:+.0f} %)"
            print(f"| {condition} | {rule} | {len(group)} | {mean(sampled):+.1f} {interval(sampled)} | "
                  f"{min(sampled):+.1f} | {mean(greedy):+.1f} {interval(greedy)} | {min(greedy):+.1f} | {counts} | "
                  f"{extra} |")


if __name__ == "__main__":
    main()
