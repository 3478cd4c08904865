#!/usr/bin/env python3
"""Real training runs in PyTorch: transformers' Trainer (SFT) and TRL's GRPOTrainer.

  python3 training.py ../../tests/golden/training

writes a tiny model and, for each run, what went in (documents, or prompts with fixed completions and
rewards) and what came out: loss and gradient norm of every optimizer step, and the trained weights.
Everything runs in float32 and again in float64; the largest difference between the two is the noise of
rounding, and `advised_abs_tol` is 4 times it.
"""

import copy
import os
import random
import shutil
import sys
import tempfile

import accelerate
import peft
import torch
import trl
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM, Trainer, TrainingArguments
from trl import GRPOConfig, GRPOTrainer

import common

SFT = dict(learning_rate=2e-2, weight_decay=0.1, adam_beta1=0.9, adam_beta2=0.99,
           adam_epsilon=1e-6, max_grad_norm=0.8, lr_scheduler_type="linear", warmup_steps=4,
           gradient_accumulation_steps=3, per_device_train_batch_size=2, max_steps=20)
GRPO = dict(learning_rate=1e-2, weight_decay=0.05, adam_beta1=0.9, adam_beta2=0.95,
            adam_epsilon=1e-6, max_grad_norm=0.3, lr_scheduler_type="cosine", warmup_steps=2,
            gradient_accumulation_steps=2, prompts_per_micro_batch=1, num_generations=4,
            num_iterations=2, max_steps=20, beta=0.04, epsilon=0.1, temperature=0.9,
            loss_type="dapo", max_completion_length=12)
LORA = dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"])


def hugging_face_arguments(settings, folder):
    return dict(
        output_dir=folder, seed=common.SEED, report_to=[], save_strategy="no", use_cpu=True,
        logging_steps=1, disable_tqdm=True, bf16=False, fp16=False, gradient_checkpointing=False,
        **{key: settings[key] for key in (
            "learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon",
            "max_grad_norm", "lr_scheduler_type", "warmup_steps", "gradient_accumulation_steps",
            "max_steps")})


class Recorded:
    """Mixed into a Trainer: losses as they are, where the log rounds them to four digits."""

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.micro_losses = getattr(self, "micro_losses", []) + [loss.item()]
        return loss

    def curve(self):
        each = self.args.gradient_accumulation_steps
        losses = [sum(self.micro_losses[i:i + each])
                  for i in range(0, len(self.micro_losses), each)]
        norms = [float(line["grad_norm"]) for line in self.state.log_history
                 if "grad_norm" in line]
        assert len(losses) == len(norms) == self.args.max_steps, (len(losses), len(norms))
        return losses, norms


class InOrder(torch.utils.data.Sampler):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


class SftTrainer(Recorded, Trainer):
    def _get_train_sampler(self, dataset=None):
        return InOrder(len(self.train_dataset))


def sft_documents():
    """Sequences with a rule in them (counting by a step), prompts of 1 to 4 ids without a loss."""
    rng = random.Random(common.SEED)
    count = SFT["max_steps"] * SFT["gradient_accumulation_steps"] * SFT["per_device_train_batch_size"]
    documents = []
    for _ in range(count):
        start, step, size = rng.randrange(2, 48), rng.randrange(1, 5), rng.randrange(5, 15)
        ids = [2 + (start + i * step) % 46 for i in range(size)] + [common.STOP]
        prompt = rng.randrange(1, 5)
        documents.append({"ids": ids, "mask": [0] * prompt + [1] * (len(ids) - prompt)})
    return documents


def collate(batch):
    longest = max(len(one["ids"]) for one in batch)

    def padded(values, fill):
        return values + [fill] * (longest - len(values))

    return {
        "input_ids": torch.tensor([padded(one["ids"], common.PAD) for one in batch]),
        "attention_mask": torch.tensor([padded([1] * len(one["ids"]), 0) for one in batch]),
        "labels": torch.tensor([
            padded([i if m else -100 for i, m in zip(one["ids"], one["mask"])], -100)
            for one in batch])}


def run_sft(model, documents):
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            remove_unused_columns=False,
            per_device_train_batch_size=SFT["per_device_train_batch_size"],
            **hugging_face_arguments(SFT, folder))
        trainer = SftTrainer(model=model, args=arguments, train_dataset=documents,
                             data_collator=collate)
        trainer.train()
    return trainer.curve()


class FixedCompletions(Recorded, GRPOTrainer):
    """TRL's trainer with the sampler replaced by a table."""

    table = {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations,
                              has_tool_images=False):
        completions, seen = [], {}
        for ids in prompt_ids:
            place = seen.get(tuple(ids), 0)
            seen[tuple(ids)] = place + 1
            completions.append(list(self.table[tuple(ids)][place]["ids"]))
        return completions, None


def word(token):
    return f"{token:02}"


def text(ids):
    return " ".join(map(word, ids))


def word_tokenizer():
    """Ids written as numbers of two digits."""
    tokenizer = Tokenizer(models.WordLevel({word(i): i for i in range(common.VOCAB)},
                                           unk_token=word(common.PAD)))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=word(common.STOP),
                                   pad_token=word(common.PAD), unk_token=word(common.PAD))


def grpo_groups():
    rng = random.Random(common.SEED + 1)
    groups, prompts = [], set()
    steps = GRPO["max_steps"] // GRPO["num_iterations"]
    for step in range(steps * GRPO["gradient_accumulation_steps"] * GRPO["prompts_per_micro_batch"]):
        while True:
            prompt = tuple(rng.randrange(2, 48) for _ in range(rng.randrange(1, 8)))
            if prompt not in prompts:
                break
        prompts.add(prompt)
        completions = set()
        while len(completions) < GRPO["num_generations"]:
            size = rng.randrange(1, GRPO["max_completion_length"] + 1)
            ids = tuple(rng.randrange(2, 48) for _ in range(size - 1)) + (common.STOP,)
            completions.add(ids)
        ordered = sorted(completions)
        rng.shuffle(ordered)
        rewards = [1.0] * len(ordered)  # one group without signal, but with a KL term
        while len(set(rewards)) == 1 and step != 3:
            rewards = [rng.choice([0.0, 0.0, 1.0, 0.5]) for _ in ordered]
        groups.append({"prompt": list(prompt), "completions": [
            {"ids": list(ids), "reward": reward} for ids, reward in zip(ordered, rewards)]})
    return groups


def run_grpo(model, groups, beta, precise):
    """A reference model, with beta, is what the constructor loads from where `model` came from."""
    table = {tuple(g["prompt"]): g["completions"] for g in groups}
    rewards = {(text(g["prompt"]), tuple(c["ids"])): c["reward"]
               for g in groups for c in g["completions"]}

    def table_reward(prompts, completion_ids, **_):
        return [rewards[prompt, tuple(ids)] for prompt, ids in zip(prompts, completion_ids)]

    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            per_device_train_batch_size=GRPO["prompts_per_micro_batch"] * GRPO["num_generations"],
            num_generations=GRPO["num_generations"], num_iterations=GRPO["num_iterations"],
            beta=beta, epsilon=GRPO["epsilon"], temperature=GRPO["temperature"],
            loss_type=GRPO["loss_type"], max_completion_length=GRPO["max_completion_length"],
            shuffle_dataset=False, **hugging_face_arguments(GRPO, folder))
        trainer = FixedCompletions(
            model=model, reward_funcs=table_reward, args=arguments,
            train_dataset=Dataset.from_list(
                [{"prompt": text(g["prompt"])} for g in groups]),
            processing_class=word_tokenizer())
        trainer.table = table
        if beta > 0:
            precise(trainer.ref_model)
        trainer.train()
    return trainer.curve()


def differences(single, double):
    return max(abs(a - b) for a, b in zip(single, double))


def record(path, name, settings, inputs, runs, packages):
    """runs: {precision: (losses, norms, tensors)}."""
    (loss, norm, tensors), (loss64, norm64, tensors64) = runs["float32"], runs["float64"]
    noise = {"loss": differences(loss, loss64), "grad_norm": differences(norm, norm64),
             "weights": common.largest_difference(tensors, tensors64)}
    common.write_json({
        "made_by": "tools/reference/training.py", "seed": common.SEED, "versions": packages,
        "settings": settings, **inputs, "loss": loss64, "grad_norm": norm64,
        "float32_float64_max_abs_diff": noise,
        "advised_abs_tol": {key: 4 * value for key, value in noise.items()}},
        os.path.join(path, name + ".json"))
    common.save_tensors(tensors64, os.path.join(path, name + ".safetensors"))
    print(name, "loss", loss64[0], "->", loss64[-1], "noise", noise)


def main(path):
    os.makedirs(path, exist_ok=True)
    packages = common.versions(trl, peft, accelerate)
    shutil.rmtree(os.path.join(path, "model"), ignore_errors=True)
    common.tiny_model().save_pretrained(os.path.join(path, "model"))
    common.open_to_readers(os.path.join(path, "model"))

    def started():
        return Qwen2ForCausalLM.from_pretrained(os.path.join(path, "model"), dtype=torch.float32)

    precise = {"float32": lambda model: model, "float64": common.all_in_double}

    documents = sft_documents()
    runs = {}
    for precision, convert in precise.items():
        model = convert(started())
        runs[precision] = (*run_sft(model, documents), common.float_tensors(model))
    record(path, "sft", SFT, {"documents": documents}, runs, packages)

    groups = grpo_groups()
    runs = {}
    for precision, convert in precise.items():
        model = convert(started())
        runs[precision] = (*run_grpo(model, groups, GRPO["beta"], convert),
                           common.float_tensors(model))
    record(path, "grpo", GRPO, {"groups": groups}, runs, packages)

    torch.manual_seed(common.SEED)
    adapted = get_peft_model(started(), LoraConfig(task_type="CAUSAL_LM", **LORA))
    with torch.no_grad():  # both factors random, as in the middle of a run
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape))
    common.save_adapter(adapted, os.path.join(path, "adapter"))
    settings = {**GRPO, "beta": 0.0}
    runs = {}
    for precision, convert in precise.items():
        model = convert(copy.deepcopy(adapted))
        curve = run_grpo(model, groups, 0.0, convert)
        runs[precision] = (*curve, common.float_tensors(
            peft.get_peft_model_state_dict(model)))
    record(path, "grpo_lora", settings, {"groups": groups}, runs, packages)


if __name__ == "__main__":
    main(sys.argv[1])
