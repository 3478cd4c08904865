#!/usr/bin/env python3
"""The command line from outside: run.py PROGRAM.  One line `ok NAME` a check; exit 1 at the first failure.

What is checked is the contract: verbs, JSON, exit codes, messages.  The models are the built-in starter
and what the program itself makes; reference data beside the project is used where it is present.
"""
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared"
PROGRAM = None
TEMP = None
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def run(*arguments, stdin=None, code=0):
    """Runs the program; asserts its exit code; returns (stdout, stderr)."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          cwd=TEMP, timeout=600)
    assert done.returncode == code, (
        f"{' '.join(map(str, arguments))}: exit {done.returncode}, expected {code}\n{done.stdout[-2000:]}\n"
        f"{done.stderr[-2000:]}")
    return done.stdout, done.stderr


def lines(text):
    # Split at newlines only: JSON keeps U+2028 and U+0085 inside a line.
    return [json.loads(line) for line in text.split("\n") if line]


def jsonl(*objects):
    return "".join(json.dumps(o) + "\n" for o in objects)


# ------------------------------------------------------------------------------------ command line

@check
def help_of_every_verb_has_an_example():
    out, _ = run("--help")
    verbs = ["run", "plan", "bench", "compare", "report", "diagnose", "study", "generate", "score", "tokenize", "grade", "export", "data",
             "speed", "doctor", "debug"]
    for verb in verbs:
        assert verb in out, verb
        text, _ = run(verb, "--help")
        assert "Example:" in text, verb


@check
def version_names_the_commit():
    out, _ = run("--version")
    assert out.startswith("pawl ") and "commit" in out, out


@check
def wrong_words_are_answered_with_the_nearest_right_one():
    _, err = run("generat", "starter", code=2)
    assert "generate" in err, err
    _, err = run("generate", "starter", "--promt", "x", code=2)
    assert "--prompt" in err, err
    run(code=2)


@check
def a_missing_model_is_a_usage_error():
    _, err = run("score", "no-such-folder", stdin=jsonl({"ids": [1, 2]}), code=2)
    assert "no-such-folder" in err, err


# ------------------------------------------------------------------------------------ text

@check
def tokenize_round_trips_on_the_starter():
    text = "Ann has 12 apples.\nShe buys 3 more."
    out, _ = run("tokenize", "starter", stdin=jsonl({"text": text}))
    ids = lines(out)[0]["ids"]
    out, _ = run("tokenize", "starter", "--decode", stdin=jsonl({"ids": ids}))
    assert lines(out)[0]["text"] == text


@check
def tokenize_plain_takes_control_tokens_as_text():
    text = "a<|im_end|>b"
    normal = lines(run("tokenize", "starter", stdin=jsonl({"text": text}))[0])[0]["ids"]
    plain = lines(run("tokenize", "starter", "--plain", stdin=jsonl({"text": text}))[0])[0]["ids"]
    assert len(plain) > len(normal)
    back = lines(run("tokenize", "starter", "--decode", stdin=jsonl({"ids": plain}))[0])[0]["text"]
    assert back == text
    skipped = lines(run("tokenize", "starter", "--decode", "--skip-special-tokens",
                        stdin=jsonl({"ids": normal}))[0])[0]["text"]
    assert skipped == "ab"


@check
def a_bad_line_is_an_error_in_its_place():
    out, _ = run("tokenize", "starter", stdin='{"text":"a"}\nnot json\n{"nothing":1}\n{"text":"b"}\n')
    answers = lines(out)
    assert [("error" in a) for a in answers] == [False, True, True, False], answers


@check
def tokenize_chat_uses_the_template():
    out, _ = run("tokenize", "starter", "--chat", stdin=jsonl(
        {"messages": [{"role": "user", "content": "Hi <|im_end|>"}], "add_generation_prompt": True}))
    answer = lines(out)[0]
    assert "Hi" in answer["text"] and answer["text"].endswith("<|im_start|>assistant\n"), answer
    assert answer["ids"], answer


@check
def tokenize_and_chat_agree_with_the_reference_samples():
    if not SHARED.is_dir():
        return "skipped: needs ../shared"
    samples = [json.loads(l) for l in (SHARED / "oracle/tokenizer/qwen2_5.jsonl").read_bytes().split(b"\n")[:200]]
    folder = SHARED / "data/tokenizers/qwen2_5"
    answers = lines(run("tokenize", folder, stdin=jsonl(*[{"text": s["text"]} for s in samples]))[0])
    assert [a["ids"] for a in answers] == [s["ids"] for s in samples]
    raw = (SHARED / "oracle/chat/qwen2_5.jsonl").read_bytes().split(b"\n")
    raw = [l.decode() for l in raw if l]
    answers = lines(run("tokenize", folder, "--chat", stdin="\n".join(raw) + "\n")[0])
    assert len(answers) == len(raw)
    for line, answer in zip(raw, answers):
        assert answer["text"] == json.loads(line)["rendered"]


@check
def grade_follows_the_definitions():
    out, _ = run("grade", "--reward", "gsm8k-strict", stdin=jsonl(
        {"completion": "so #### 18", "gold": "18"}, {"completion": "18", "gold": "18"}))
    a, b = lines(out)
    assert a["correct"] is True and a["extracted"] == "18" and a["reward"] == 1
    assert b["correct"] is False and b["extracted"] is None
    out, _ = run("grade", "--reward", "math", stdin=jsonl({"completion": "\\boxed{36/2}", "gold": "18"}))
    assert lines(out)[0]["correct"] is True
    start = time.time()
    run("grade", "--reward", "math", stdin=jsonl({"completion": "9" * 1000000, "gold": "1/3"}))
    assert time.time() - start < 5
    _, err = run("grade", "--reward", "gsm8k-strickt", stdin="", code=2)
    assert "gsm8k-strict" in err, err


# ------------------------------------------------------------------------------------ model

@check
def generate_repeats_itself_and_equals_score():
    arguments = ["generate", "starter", "--prompt", "<|im_start|>user\nAnn has 3 apples.<|im_end|>\n",
                 "--num-generations", "3", "--max-new-tokens", "20", "--seed", "5"]
    first = lines(run(*arguments, "--threads", "1")[0])
    again = lines(run(*arguments, "--threads", "2")[0])
    assert first == again and len(first) == 3
    prompt = lines(run("tokenize", "starter", stdin=jsonl({"text": arguments[3]}))[0])[0]["ids"]
    for completion in first:
        scored = lines(run("score", "starter", stdin=jsonl({"ids": prompt + completion["ids"]}))[0])[0]
        assert scored["logprobs"][len(prompt) - 1:] == completion["logprobs"]
        assert len(scored["argmax"]) == len(scored["ids"]) == len(scored["logprobs"]) + 1
        assert completion["finish_reason"] in ("stop", "length")


@check
def generate_takes_lines_of_every_kind_and_reports_bad_ones():
    path = TEMP / "prompts.jsonl"
    path.write_text(jsonl({"prompt": "2+2="}, {"ids": []}, {"messages": [{"role": "user", "content": "Hi"}]},
                          {"ids": [5, 6, 7], "index": 0}))
    out, _ = run("generate", "starter", "--input", path, "--max-new-tokens", "4", "--num-generations", "2",
                 "--ignore-eos")
    answers = lines(out)
    assert len(answers) == 7, answers
    assert "error" in answers[2]
    assert all(len(a["ids"]) == 4 and a["finish_reason"] == "length" for a in answers if "ids" in a)


@check
def greedy_is_the_argmax():
    prompt = [5, 6, 7, 8]
    path = TEMP / "ids.jsonl"
    path.write_text(jsonl({"ids": prompt}))
    ids = lines(run("generate", "starter", "--input", path, "--greedy", "--max-new-tokens", "8", "--ignore-eos")[0])[0]["ids"]
    scored = lines(run("score", "starter", stdin=jsonl({"ids": prompt + ids}))[0])[0]
    assert scored["argmax"][len(prompt) - 1:-1] == ids


@check
def limits_beyond_the_context_are_refused():
    path = TEMP / "long.jsonl"
    path.write_text(jsonl({"ids": [5] * 10}))
    out, _ = run("generate", "starter", "--input", path, "--max-new-tokens", "100000000")
    assert "context" in lines(out)[0]["error"]


@check
def reference_models_score_within_tolerance():
    if not SHARED.is_dir():
        return "skipped: needs ../shared"
    for name in ("qwen2_tied_f32", "qwen3_f32", "llama3_rope", "qwen2_sharded"):
        folder = SHARED / "oracle/models" / name
        oracle = json.loads((folder / "oracle.json").read_text())
        del oracle
        tensors = read_safetensors(folder / "oracle.safetensors")
        ids = [int(x) for x in tensors["seq1.input_ids"]]
        answer = lines(run("score", folder, stdin=jsonl({"ids": ids}))[0])[0]
        worst = max(abs(a - b) for a, b in zip(answer["logprobs"], tensors["seq1.logprob"]))
        assert worst < 1e-4, (name, worst)


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    kinds = {"F32": "f", "I32": "i", "F64": "d", "I64": "q"}
    out = {}
    for name, info in header.items():
        if name != "__metadata__" and info["dtype"] in kinds:
            begin, end = info["data_offsets"]
            kind = kinds[info["dtype"]]
            raw = data[8 + size + begin:8 + size + end]
            out[name] = struct.unpack(f"<{len(raw) // struct.calcsize(kind)}{kind}", raw)
    return out


@check
def damaged_models_are_refused_with_code_4():
    starter = ROOT / "models/starter"
    broken = TEMP / "broken"
    shutil.copytree(starter, broken)
    weights = broken / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    _, err = run("score", broken, stdin=jsonl({"ids": [1]}), code=4)
    assert "model.safetensors" in err, err
    weights.write_bytes(struct.pack("<Q", 1 << 60) + whole[8:])
    run("score", broken, stdin=jsonl({"ids": [1]}), code=4)
    weights.write_bytes(whole)
    config = json.loads((broken / "config.json").read_text())
    config["hidden_size"] += 32
    (broken / "config.json").write_text(json.dumps(config))
    _, err = run("score", broken, stdin=jsonl({"ids": [1]}), code=4)
    config["hidden_size"] -= 32
    config["architectures"] = ["MambaForCausalLM"]
    config["model_type"] = "mamba"
    (broken / "config.json").write_text(json.dumps(config))
    _, err = run("score", broken, stdin=jsonl({"ids": [1]}), code=4)
    assert "amba" in err, err


def edit_safetensors(path, change):
    """change(header, data) -> data"""
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8:8 + size])
    data = change(header, whole[8 + size:])
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@check
def damage_inside_a_model_is_named_on_one_line():
    bad = TEMP / "damaged"

    def refused(what, edit, verb="score"):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(ROOT / "models/starter", bad)
        edit()
        _, err = run(verb, bad, stdin=jsonl({"ids": [1], "text": "a"}), code=4)
        assert err.count("\n") == 1 and str(bad) in err and what in err, err

    weights, name = bad / "model.safetensors", "model.norm.weight"

    def nan(header, data):
        at = header[name]["data_offsets"][0]
        return data[:at] + b"\xff\xff\xff\xff" + data[at + 4:]

    def another_type(header, data):
        header[name]["dtype"] = {"F32": "I32"}.get(header[name]["dtype"], "I16")
        return data

    refused(f"{name} has NaN at element 0", lambda: edit_safetensors(weights, nan))
    refused(f"'{name}' is I", lambda: edit_safetensors(weights, another_type))
    refused("has no config.json", lambda: (bad / "config.json").unlink())

    def merge():
        tokenizer = json.loads((bad / "tokenizer.json").read_text())
        tokenizer["model"]["merges"].append(["q", "qqqq"])
        (bad / "tokenizer.json").write_text(json.dumps(tokenizer))

    refused("\"qqqq\" is not in the vocabulary", merge, verb="tokenize")
    adapter = ROOT / "tests/golden/peft/saved"  # of a model with other widths
    _, err = run("score", "starter", "--adapter", adapter, stdin=jsonl({"ids": [1]}), code=4)
    assert "adapter_model.safetensors: " in err and "expected [" in err, err


@check
def outputs_that_cannot_be_are_refused_before_the_work():
    path = TEMP / "ids.jsonl"
    path.write_text(jsonl({"ids": [5, 6], "mask": [0, 1]}))
    make = ("data", "make", "--level", "1", "--count", "2", "--out")
    logits = ("debug", "logits", "starter", "--input", path, "--output")
    for command in (make, logits, ("bench", "starter", "--data", TEMP / "none.jsonl", "--out")):
        _, err = run(*command, TEMP / "no/such/file", code=2)
        assert "does not exist" in err, err
        _, err = run(*command, TEMP, code=2)
        assert "is a folder" in err, err
    _, err = run("export", "starter", "--out", path / "folder", code=2)
    assert "is not a folder" in err, err
    full = pathlib.Path("/dev/full")
    if full.is_char_device():
        for command in (make, logits):
            _, err = run(*command, full, code=75)
            assert "space" in err, err
        assert full.is_char_device()  # written, not replaced
        with full.open("w") as out:
            assert subprocess.run([PROGRAM, "score", "starter"], input=b'{"ids":[1]}\n', stdout=out,
                                  stderr=subprocess.DEVNULL).returncode == 75


@check
def export_writes_the_same_model():
    out_folder = TEMP / "exported"
    run("export", "starter", "--format", "safetensors", "--out", out_folder)
    a = run("score", "starter", stdin=jsonl({"ids": list(range(5, 30))}))[0]
    b = run("score", out_folder, stdin=jsonl({"ids": list(range(5, 30))}))[0]
    assert a == b


@check
def debug_logits_and_gradients_write_tensors():
    path = TEMP / "debug.jsonl"
    path.write_text(jsonl({"ids": [5, 6, 7, 8], "mask": [0, 0, 1, 1]}))
    run("debug", "logits", "starter", "--input", path, "--output", TEMP / "logits.safetensors")
    logits = read_safetensors(TEMP / "logits.safetensors")
    assert "logits.0" in logits and "final_hidden.0" in logits
    run("debug", "gradients", "starter", "--input", path, "--output", TEMP / "gradients.safetensors")
    gradients = read_safetensors(TEMP / "gradients.safetensors")
    assert "loss" in gradients and "grad.model.embed_tokens.weight" in gradients
    scored = lines(run("score", "starter", stdin=jsonl({"ids": [5, 6, 7, 8]}))[0])[0]
    assert math.isclose(gradients["loss"][0], -sum(scored["logprobs"][1:]), rel_tol=1e-5)


@check
def debug_statistics_and_schedules_answer_lines():
    out, _ = run("debug", "schedule", stdin=jsonl(
        {"name": "linear", "base_lr": 1.0, "warmup": 10, "total": 100, "options": {}}, {"name": "nonsense"}))
    good, bad = lines(out)
    assert len(good["lr"]) == 101 and good["lr"][0] == 0 and "error" in bad


@check
def int8_scores_what_it_samples_on_every_instruction_set():
    prompts = jsonl({"ids": [5, 6, 7]}, {"ids": [9] * 40}, {"ids": [11, 12]})
    path = TEMP / "int8.jsonl"
    path.write_text(prompts)
    flags = ("starter", "--input", path, "--max-new-tokens", "12", "--num-generations", "3", "--precision", "int8")
    expected, _ = run("generate", *flags)
    first = lines(prompts)
    for i, line in enumerate(lines(expected)):
        ids = first[i // 3]["ids"] + line["ids"]
        scored = lines(run("score", "starter", "--precision", "int8", stdin=jsonl({"ids": ids}))[0])[0]
        assert scored["logprobs"][-len(line["ids"]):] == line["logprobs"], (scored, line)
    for isa in ("portable", "avx2", "avxvnni", "avx512", "avx512vnni"):
        done = subprocess.run([PROGRAM, "generate", *map(str, flags), "--isa", isa, "--threads", "3"], text=True,
                              capture_output=True, cwd=TEMP, timeout=600)
        if done.returncode == 2:
            assert "this CPU lacks " + isa in done.stderr, done.stderr
        else:
            assert done.stdout == expected, isa
    _, err = run("score", "starter", "--precision", "int4", stdin=prompts, code=2)
    assert "int8" in err, err


@check
def debug_divergence_compares_precisions():
    path = TEMP / "divergence.jsonl"
    path.write_text(jsonl({"text": "Tom has 3 apples and buys 4 more."}, {"ids": [5, 6, 7, 8]}))
    same = json.loads(run("debug", "divergence", "starter", "--input", path)[0])
    assert same["mean_kl"] == 0 and same["greedy_agreement"] == 1, same
    int8 = json.loads(run("debug", "divergence", "starter", "--precision", "int8", "--input", path)[0])
    assert int8["precision"] == "int8" and int8["positions"] == same["positions"], int8
    assert 0 < int8["mean_kl"] < 0.05 and int8["max_kl"] >= int8["mean_kl"], int8


# ------------------------------------------------------------------------------------ data and bench

@check
def data_make_is_reproducible_and_split():
    for split in ("train", "validation", "test"):
        run("data", "make", "--level", "2", "--count", "50", "--seed", "3", "--split", split, "--out",
            TEMP / f"{split}.jsonl")
    first = (TEMP / "test.jsonl").read_text()
    run("data", "make", "--level", "2", "--count", "50", "--seed", "3", "--split", "test", "--out",
        TEMP / "again.jsonl")
    assert (TEMP / "again.jsonl").read_text() == first
    problems = lines(first)
    assert len(problems) == 50 and len({p["question"] for p in problems}) == 50
    assert all(p["level"] == 2 and p["answer"] for p in problems)
    run("data", "make", "--level", "9", "--count", "1", "--out", TEMP / "x.jsonl", code=2)


@check
def data_split_by_steps_makes_levels():
    source = TEMP / "gsm.jsonl"
    source.write_text(jsonl({"question": "a", "answer": "one\ntwo\n#### 2"},
                            {"question": "b", "answer": "1\n2\n3\n#### 3"},
                            {"question": "c", "answer": "1\n2\n3\n4\n5\n#### 5"}))
    out, _ = run("data", "split", source, "--by", "steps", "--json")
    json.loads(out)


@check
def bench_and_compare_agree_with_the_contract():
    run("data", "make", "--level", "1", "--count", "20", "--seed", "3", "--split", "test", "--out", TEMP / "b.jsonl")
    run("bench", "starter", "--data", TEMP / "b.jsonl", "--greedy", "--max-new-tokens", "24", "--out", TEMP / "a.json")
    run("bench", "starter", "--data", TEMP / "b.jsonl", "--greedy", "--max-new-tokens", "24", "--out", TEMP / "b.json",
        "--threads", "1")
    a = json.loads((TEMP / "a.json").read_text())
    b = json.loads((TEMP / "b.json").read_text())
    assert a["format_version"] == 1 and a["summary"]["total"] == 20
    texts = lambda r: [[s["completion"] for s in p["samples"]] for p in r["problems"]]
    assert texts(a) == texts(b)
    out, _ = run("compare", TEMP / "a.json", TEMP / "b.json", "--json")
    pair = json.loads(out)["pairs"][0]
    assert pair["wins"] == pair["losses"] == 0 and pair["ties"] == 20
    assert pair["verdict"] in ("not distinguishable", "not worse")
    _, err = run("bench", "starter", "--data", TEMP / "none.jsonl", code=2)
    (TEMP / "bad.jsonl").write_text('{"question":"a","answer":"#### 1"}\n{"question"\n')
    _, err = run("bench", "starter", "--data", TEMP / "bad.jsonl", code=4)
    assert "line 1" in err, err


# ------------------------------------------------------------------------------------ runs

TINY = """
[model]
path = "starter"
[lora]
enabled = false
[data]
source = "generator"
[defaults]
method = "grpo"
learning_rate = 1e-4
per_device_train_batch_size = 2
gradient_accumulation_steps = 1
num_generations = 4
max_completion_length = 24
[[stage]]
name = "basic"
level = 1
max_steps = 2
[[reward]]
name = "gsm8k-strict"
weight = 1.0
[benchmark]
limit = 12
samples = 2
[run]
seed = 1
"""


@check
def a_run_leaves_what_the_contract_names():
    config = TEMP / "tiny.toml"
    config.write_text(TINY)
    run("run", config, "--dry-run")
    run("run", config, "--run-dir", TEMP / "run")
    folder = TEMP / "run"
    for name in ("config.resolved.toml", "environment.json", "summary.json", "report.md",
                 "stages/basic/training.log", "stages/basic/training_config.json",
                 "stages/basic/training_summary.json", "stages/basic/metrics.jsonl",
                 "stages/basic/rollouts.jsonl", "stages/basic/gate.json", "final_model/config.json",
                 "stages/basic/final_model/README.md"):
        assert (folder / name).exists(), name
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["format_version"] == 1 and summary["stages"][0]["name"] == "basic"
    metrics = lines((folder / "stages/basic/metrics.jsonl").read_text())
    assert metrics
    run("run", config, "--run-dir", folder, code=3)
    run("score", folder / "final_model", stdin=jsonl({"ids": [1, 2]}))
    again = TEMP / "again-run"
    run("run", folder / "config.resolved.toml", "--run-dir", again, "--threads", "1")
    assert (again / "stages/basic/rollouts.jsonl").read_bytes() == (folder / "stages/basic/rollouts.jsonl").read_bytes()
    assert (again / "final_model/model.safetensors").read_bytes() == (folder / "final_model/model.safetensors").read_bytes()
    run("report", folder)
    out, _ = run("diagnose", folder, "--json")
    document = json.loads(out)
    findings = document["findings"]
    assert len(findings) >= 8 and "NaN" not in out and "nan" not in out, out
    for finding in findings:
        assert finding["verdict"] in ("supported", "not supported", "cannot be told"), finding
        assert finding["reason"] and finding["rule"], finding
        assert (finding["to_settle"] is not None) == (finding["verdict"] == "cannot be told"), finding
        assert all(m["source"] for m in finding["measurements"]), finding
    assert document["answers"]["base"]["equations"]["total"] >= 0
    probe = json.loads((folder / "probe.json").read_text())
    assert [m["name"] for m in probe["models"]] == ["base", "basic", "final"], probe["models"]
    by_key = {f["key"]: f for f in findings}
    assert by_key["accumulated_drift"]["measurements"] and by_key["overfitting"]["measurements"]
    report = (folder / "report.html").read_text()
    assert "http" not in report and "<script" not in report and "Knowledge kept" in report
    run("diagnose", TEMP / "no-run", code=2)
    out, _ = run("plan", config, "--budget", "1", "--json")
    plan = json.loads(out)
    low, high = plan["seconds"]["interval"]
    assert 0 < low <= plan["seconds"]["value"] <= high, plan
    assert plan["stages"][0]["steps"] == 2 and plan["peak_rss_bytes"] > 0 and plan["disk_bytes"] > 0, plan


@check
def a_bench_that_was_stopped_goes_on_and_refuses_other_settings():
    data = TEMP / "stopped.jsonl"
    run("data", "make", "--level", "2", "--count", "400", "--seed", "3", "--split", "test", "--out", data)
    arguments = [PROGRAM, "bench", "starter", "--data", str(data), "--samples", "4", "--batch", "4", "--out",
                 str(TEMP / "stopped.json")]
    partial = TEMP / "stopped.json.partial.jsonl"
    process = subprocess.Popen(arguments, cwd=TEMP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 3) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(2)
    assert process.wait(60) == 130
    kept = partial.read_bytes()
    _, err = run(*arguments[1:], "--seed", "9", code=3)
    assert "seed differ" in err, err
    assert partial.read_bytes() == kept
    run(*arguments[1:])
    assert not partial.exists()
    whole = json.loads((TEMP / "stopped.json").read_text())
    assert len(whole["problems"]) == 400
    first = json.loads(kept.split(b"\n")[1])
    assert first["samples"] == whole["problems"][first["index"]]["samples"]
    report = TEMP / "comparison.md"
    run("compare", TEMP / "stopped.json", TEMP / "stopped.json", "--report", report)
    assert "Against the baseline" in report.read_text()


@check
def a_study_compares_its_variants_and_is_not_run_twice():
    (TEMP / "study-base.toml").write_text(TINY)
    study = TEMP / "study.toml"
    study.write_text('''config = "study-base.toml"
seeds = [1]
[[variant]]
name = "base"
train = false
[[variant]]
name = "tiny"
[[variant]]
name = "one_step"
set = ["stage.basic.max_steps=1"]
''')
    out, _ = run("study", study, "--out", TEMP / "study")
    document = json.loads((TEMP / "study/study.json").read_text())
    assert [r["variant"] for r in document["rows"]] == ["base", "tiny", "one_step"], document["rows"]
    assert all(r["exit_code"] == 0 and r["bench"]["total"] > 0 for r in document["rows"]), document["rows"]
    assert document["rows"][1]["training"]["samples"] == 2 * document["rows"][2]["training"]["samples"]
    assert len(document["comparison"]["pairs"]) == 2
    written = (TEMP / "study/bench/tiny-s1.json").stat().st_mtime_ns
    run("study", study, "--out", TEMP / "study")
    assert (TEMP / "study/bench/tiny-s1.json").stat().st_mtime_ns == written
    study.write_text(study.read_text().replace("max_steps=1", "max_steps=2"))
    run("study", study, "--out", TEMP / "study", code=3)
    study.write_text(study.read_text().replace("seeds", "seed"))
    _, err = run("study", study, code=2)
    assert 'did you mean "seeds"' in err, err


@check
def int8_trains_an_adapter_and_refuses_full_training():
    config = TEMP / "int8.toml"
    config.write_text(TINY)
    flags = ("--set", "model.precision=int8")
    _, err = run("run", config, *flags, "--set", "lora.enabled=false", "--dry-run", code=2)
    assert "model.precision" in err and "lora.enabled" in err, err
    run("run", config, *flags, "--set", "lora.enabled=true", "--run-dir", TEMP / "int8-run")
    metrics = lines((TEMP / "int8-run/stages/basic/metrics.jsonl").read_text())
    differences = [m["max_logp_difference"] for m in metrics if "max_logp_difference" in m]
    assert differences and not any(differences), differences
    assert any(m.get("grad_norm", 0) > 0 for m in metrics), metrics


@check
def a_memory_limit_below_the_estimate_is_refused_at_the_start():
    import resource
    config = TEMP / "memory.toml"
    config.write_text(TINY)

    def limited(gigabytes, *more):
        limit = int(gigabytes * 1e9)
        return subprocess.run([PROGRAM, "run", config, "--run-dir", TEMP / "memory-run", "--threads", "1", *more],
                              capture_output=True, text=True, cwd=TEMP, timeout=600,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))

    done = limited(3.0, "--set", "defaults.max_completion_length=4000", "--set", "defaults.per_device_train_batch_size=512")
    assert done.returncode == 3, (done.returncode, done.stderr)
    for word in ("training needs about", "activations", "ulimit -d allows 3.00 GB", "gradient_checkpointing"):
        assert word in done.stderr, (word, done.stderr)
    assert not (TEMP / "memory-run" / "stages").exists()
    done = limited(3.0)
    assert done.returncode == 0, done.stderr


@check
def recomputed_activations_change_no_bit_of_a_run():
    config = TEMP / "recompute.toml"
    config.write_text(TINY)
    logs = []
    for value in ("false", "true"):
        folder = TEMP / f"recompute-{value}"
        run("run", config, "--run-dir", folder, "--set", f"defaults.gradient_checkpointing={value}")
        logs.append((folder / "stages/basic/rollouts.jsonl").read_text())
        logs.append((folder / "stages/basic/final_model/model.safetensors").read_bytes())
    assert logs[0] == logs[2] and logs[1] == logs[3]


@check
def a_wrong_configuration_lists_every_problem():
    config = TEMP / "wrong.toml"
    config.write_text(TINY.replace("learning_rate = 1e-4", "learning_rat = 1e-4").replace("num_generations = 4",
                                                                                          "num_generations = 1"))
    _, err = run("run", config, code=2)
    assert "learning_rate" in err and "num_generations" in err, err
    run("run", TEMP / "no.toml", code=2)
    config.write_text(TINY)
    _, err = run("run", config, "--set", "defaults.learning_rate=-1", "--dry-run", code=2)
    assert "learning_rate" in err, err


@check
def doctor_and_speed_answer_in_json():
    out, _ = run("doctor", "--json")
    assert json.loads(out)
    out, _ = run("speed", "--model", "starter", "--batch", "1,4", "--prompt-tokens", "16", "--new-tokens", "8",
                 "--group", "2", "--work", "prefill,decode,train,grpo_step", "--json")
    document = json.loads(out)
    works = [r["work"] for r in document["results"]]
    assert works.count("decode") == 2 and {"prefill", "train", "grpo_step"} <= set(works), works
    assert all(r["tokens_per_second"] > 0 for r in document["results"])
    out, _ = run("speed", "--model", "starter", "--precision", "int8", "--batch", "2", "--prompt-tokens", "16",
                 "--new-tokens", "4", "--group", "2", "--work", "decode,train", "--repeats", "1", "--json")
    document = json.loads(out)
    assert document["model"]["precision"] == "int8" and document["machine"]["int8_gop_per_second"] > 0, document
    assert all(r["ceiling_tokens_per_second"] > 0 for r in document["results"]), document


def main():
    global PROGRAM, TEMP
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    PROGRAM = os.path.abspath(sys.argv[1])
    only = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        TEMP = pathlib.Path(folder)
        for function in CHECKS:
            if only and function.__name__ not in only:
                continue
            try:
                note = function()
            except Exception as error:  # the first failure ends the run, with its reason
                print(f"FAILED {function.__name__}: {error!r}")
                import traceback
                traceback.print_exc(file=sys.stdout)
                return 1
            print(f"ok {function.__name__}" + (f" ({note})" if note else ""), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
