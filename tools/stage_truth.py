#!/usr/bin/env python3
"""stage_truth.py STUDY_FOLDER [PAWL]: were the gates of a study's runs right?

Asks each stage's candidate, and the accepted model that it was compared with, 300 fresh test problems (100 a level;
four samples and one greedy answer each) and counts, by condition and rule:
  false rollbacks     rolled back although neither sampled nor greedy accuracy was below the anchor's
  missed regressions  accepted although one of them was below by more than 5 points (sampled) or 10 (greedy), and
                      its 95 % interval (paired, from `pawl compare`) lies below 0
Each model is measured once; results are kept in STUDY_FOLDER/truth.  Models: stages/*/final_model and the starter.
"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout


def problems(pawl, folder):
    file = folder / "problems.jsonl"
    if not file.exists():
        lines = ""
        for level in (1, 2, 3):
            part = folder / f"level{level}.jsonl"
            run(pawl, "data", "make", "--level", level, "--count", 100, "--seed", 77, "--split", "test", "--out", part)
            lines += part.read_text()
        file.write_text(lines)
    return file


class Judge:
    def __init__(self, pawl, folder):
        self.pawl, self.folder = pawl, folder
        folder.mkdir(exist_ok=True)
        self.problems = problems(pawl, folder)

    def answers(self, model):
        digest = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()[:16]
        files = []
        for kind, flags in (("sampled", ["--samples", 4]), ("greedy", ["--greedy"])):
            out = self.folder / f"{digest}-{kind}.json"
            if not out.exists():
                run(self.pawl, "bench", model, "--data", self.problems, "--max-new-tokens", 80, "--batch", 128, "--out",
                    out, *flags)
            files.append(out)
        return files

    def compare(self, anchor, candidate):
        """(sampled difference, its interval), (greedy difference, its interval), in points"""
        out = []
        for a, b in zip(self.answers(anchor), self.answers(candidate)):
            if a == b:
                out.append((0.0, (0.0, 0.0)))
                continue
            json_text = run(self.pawl, "compare", a, b, "--json")
            pair = json.loads(json_text)["pairs"][0]
            out.append((100 * pair["difference"], tuple(100 * x for x in pair["interval95"])))
        return out


def main():
    study = pathlib.Path(sys.argv[1])
    pawl = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "./pawl")
    starter = pathlib.Path("models/starter")
    judge = Judge(pawl, study / "truth")
    table = {}
    for summary in sorted(study.glob("runs/*/summary.json")):
        found = re.fullmatch(r"(.+)-(none|threshold|sequential)-s(\d+)", summary.parent.name)
        if not found:
            continue
        row = table.setdefault((found[1], found[2]), {"stages": 0, "rollbacks": 0, "false": 0, "accepts": 0, "missed": 0})
        anchor = starter
        for stage in json.loads(summary.read_text())["stages"]:
            candidate = summary.parent / "stages" / stage["name"] / "final_model"
            if stage["decision"] == "skipped":
                continue
            (sampled, sampled_ci), (greedy, greedy_ci) = judge.compare(anchor, candidate)
            row["stages"] += 1
            if stage["decision"] == "rollback":
                row["rollbacks"] += 1
                row["false"] += sampled >= 0 and greedy >= 0
            if stage["decision"] == "accept":
                row["accepts"] += 1
                row["missed"] += (sampled < -5 and sampled_ci[1] < 0) or (greedy < -10 and greedy_ci[1] < 0)
                anchor = candidate
    print("| condition | rule | stages | rolled back | of these false | accepted | of these missed regressions |")
    print("|---|---|---|---|---|---|---|")
    for (condition, rule), row in table.items():
        print(f"| {condition} | {rule} | {row['stages']} | {row['rollbacks']} | {row['false']} | {row['accepts']} | "
              f"{row['missed']} |")


if __name__ == "__main__":
    main()
