#!/usr/bin/env python3
"""Kills a run at random moments until it has finished, and compares it with one that was left alone.

kills.py PROGRAM [--kills N] [--seed S]

Each trial starts the same short three-stage run (a stage that its gate accepts, one with a destructive
learning rate that is tried twice, one after it), kills it with SIGKILL, SIGTERM or SIGINT after a random
time, resumes it with another thread count, and so on until it ends.  Weights, metrics without times and
rollouts must then be the bytes of the uninterrupted run.  Trials go on until N kills were delivered.
"""
import argparse
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CONFIG = """
[model]
path = "starter"
[lora]
enabled = false
[defaults]
per_device_train_batch_size = 6
gradient_accumulation_steps = 1
num_generations = 6
max_completion_length = 24
learning_rate = 1.5e-4
max_samples = 60
replay = 0.2
sampling = "pass_rate"
max_refills = 1
eval_steps = 2
save_steps = 2
[[stage]]
name = "first"
level = 1
max_steps = 6
[[stage]]
name = "second"
level = 2
max_steps = 4
learning_rate = 0.05
[[stage]]
name = "third"
level = 2
max_steps = 4
beta = 0.02
max_refills = 0
[[reward]]
name = "gsm8k-strict"
[gate]
rule = "sequential"
max_problems = 40
[health]                  # the gate shall find what the tripwires would
format = false
max_entropy_ratio = 0
max_truncated = 1
max_repetition = 1
max_kl = 1e6
max_grad_norm_ratio = 0
[benchmark]
limit = 24
samples = 2
validation = 12
[run]
seed = 5
"""
# Fields of metrics.jsonl that depend on the clock or the machine.
MACHINE = ("seconds", "_bytes")


def command(program, config, folder, threads, resume):
    line = [program, "run", config, "--run-dir", folder, "--quiet", "--threads", threads]
    return [str(part) for part in line] + (["--resume"] if resume else [])


def records(folder):
    """Everything that must repeat, by name."""
    out = {"summary": json.loads((folder / "summary.json").read_text())}
    for name in ("seconds", "peak_rss_bytes"):
        out["summary"].pop(name, None)
    for stage in out["summary"]["stages"]:
        stage.pop("seconds")
    for path in sorted(folder.glob("stages/*/*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            for key in list(line):
                if key.endswith(MACHINE):
                    line.pop(key)
        out[str(path.relative_to(folder))] = lines
    for path in sorted(folder.glob("**/model.safetensors")):
        out[str(path.relative_to(folder))] = path.read_bytes()
    for path in sorted(folder.glob("stages/*/gate.json")):
        out[str(path.relative_to(folder))] = path.read_text()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    program = options.program.resolve()
    chance = random.Random(options.seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="pawl-kills-"))
    config = root / "kills.toml"
    config.write_text(CONFIG)
    begun = time.monotonic()
    subprocess.run(command(program, config, root / "whole", 2, False), check=True, stdout=subprocess.DEVNULL)
    length = time.monotonic() - begun
    expected = records(root / "whole")
    decisions = [stage["decision"] for stage in expected["summary"]["stages"]]
    print(f"uninterrupted: {length:.1f} s, decisions {' '.join(decisions)}", flush=True)
    delivered = {"SIGKILL": 0, "SIGTERM": 0, "SIGINT": 0}
    trials = 0
    while sum(delivered.values()) < options.kills:
        trials += 1
        folder = root / f"trial-{trials}"
        resume = False
        for attempt in range(1000):
            process = subprocess.Popen(command(program, config, folder, chance.choice([1, 2, 3]), resume),
                                       stdout=subprocess.DEVNULL)
            # Late attempts get longer, so that every trial ends.
            wait = chance.uniform(0, length * (0.5 + 0.2 * attempt))
            try:
                code = process.wait(timeout=wait)
            except subprocess.TimeoutExpired:
                kind = chance.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"])
                process.send_signal(getattr(signal, kind))
                code = process.wait()
                allowed = {"SIGKILL": (-9, 0), "SIGTERM": (143, 0, -15), "SIGINT": (130, 0, -2)}[kind]
                assert code in allowed, f"trial {trials}: exit {code} after {kind}"
                if code != 0:
                    delivered[kind] += 1
                    resume = folder.exists()
                    continue
            assert code == 0, f"trial {trials}: exit {code}"
            break
        got = records(folder)
        assert got.keys() == expected.keys(), f"trial {trials}: files {sorted(got)} and {sorted(expected)}"
        for name, value in expected.items():
            assert got[name] == value, f"trial {trials}: {name} differs ({folder})"
        shutil.rmtree(folder)
    print(f"{sum(delivered.values())} kills ({delivered}) in {trials} trials: every run ended in the same bytes")
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
