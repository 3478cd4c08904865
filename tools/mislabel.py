#!/usr/bin/env python3
"""mislabel.py PROGRAM OUT: level 2 training problems whose answer is the result of the step before the last,
a mistake that the starter makes by itself, so that GRPO is paid for it."""
import json
import subprocess
import sys
import tempfile

program, out = sys.argv[1:3]
with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as file:
    subprocess.run([program, "data", "make", "--level", "2", "--count", "400", "--seed", "77", "--split", "train",
                    "--out", file.name], check=True, stdout=subprocess.DEVNULL)
    problems = [json.loads(line) for line in open(file.name)]
with open(out, "w") as target:
    for problem in problems:
        steps = [line for line in problem["solution"].split("\n") if "=" in line]
        wrong = steps[-2].split("=")[-1].strip()
        if wrong == problem["answer"]:
            continue
        target.write(json.dumps({"id": problem["id"], "question": problem["question"], "answer": wrong,
                                 "level": 2}) + "\n")
