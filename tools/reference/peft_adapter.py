#!/usr/bin/env python3
"""An adapter that pawl saves, loaded by peft.

  python3 peft_adapter.py PAWL ../../tests/golden/peft ../../tests/golden/training/model

PAWL is the program.  It reads an adapter that peft made and writes it again (`export --format peft`);
`saved` is what it wrote, and the logits are those of peft with `saved` on the tiny model.  Run in
float32 and float64; `advised_abs_tol` is 4 times the difference.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2ForCausalLM

import common

LORA = dict(r=5, lora_alpha=12, use_rslora=True,
            target_modules=["q_proj", "k_proj", "o_proj", "gate_proj", "model.layers.1.mlp.down_proj"])


def base_model(folder):
    return Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32)


def make_adapter(model, folder):
    torch.manual_seed(common.SEED)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape))
    common.save_adapter(adapted, folder)


def main(program, path, model_folder):
    shutil.rmtree(path, ignore_errors=True)
    saved = os.path.join(path, "saved")
    with tempfile.TemporaryDirectory() as made:
        make_adapter(base_model(model_folder), made)
        subprocess.run([program, "export", model_folder, "--adapter", made, "--format", "peft",
                        "--out", saved], check=True)
    config = os.path.join(saved, "adapter_config.json")
    with open(config, encoding="utf-8") as file:
        text = file.read().replace(os.path.abspath(model_folder), "model")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)

    rng = random.Random(common.SEED)
    sequences = [[rng.randrange(2, common.VOCAB) for _ in range(size)] for size in (1, 7, 30)]
    tensors, noise = {}, 0.0
    for line, ids in enumerate(sequences):
        logits = {}
        for convert in (lambda model: model, common.all_in_double):
            model = convert(PeftModel.from_pretrained(base_model(model_folder), saved)).eval()
            with torch.no_grad():
                result = model(torch.tensor([ids])).logits[0]
            logits[result.dtype] = result.double()
        noise = max(noise, (logits[torch.float32] - logits[torch.float64]).abs().max().item())
        tensors[f"logits.{line}"] = logits[torch.float64].float().contiguous()
        plain = common.all_in_double(base_model(model_folder)).eval()
        with torch.no_grad():
            change = (plain(torch.tensor([ids])).logits[0] - logits[torch.float64]).abs().max()
        assert change > 0.1, "the adapter must matter"
    common.save_tensors(tensors, os.path.join(path, "logits.safetensors"))
    common.write_json({"made_by": "tools/reference/peft_adapter.py", "seed": common.SEED,
                       "versions": common.versions(peft), "sequences": sequences,
                       "float32_float64_max_abs_diff": noise, "advised_abs_tol": 4 * noise},
                      os.path.join(path, "logits.json"))
    print("noise", noise)


if __name__ == "__main__":
    main(*sys.argv[1:])
