"""What the reference scripts share: a tiny model, versions, and runs in double precision."""

import json
import os
import platform

import numpy
import torch
import transformers
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2 import modeling_qwen2

SEED = 20260714
VOCAB = 48
STOP = 1
PAD = 0


def tiny_model(seed=SEED):
    """Two layers, four query heads on two key/value heads, tied embeddings, biases that are not zero."""
    config = Qwen2Config(
        vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        rope_theta=10000.0, rms_norm_eps=1e-6, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=STOP, pad_token_id=PAD, attn_implementation="sdpa")
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            elif "norm" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif "embed" in name:
                parameter.copy_(0.4 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return model


def all_in_double(model):
    """The model with every operation in float64; transformers does norms in float32 otherwise."""

    def forward(self, hidden_states):
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))

    model = model.double()
    for module in model.modules():
        if isinstance(module, modeling_qwen2.Qwen2RMSNorm):
            module.forward = forward.__get__(module)
    return model


def versions(*packages):
    found = {"python": platform.python_version(), "numpy": numpy.__version__,
             "torch": torch.__version__, "transformers": transformers.__version__}
    for package in packages:
        found[package.__name__] = package.__version__
    return found


def float_tensors(model_or_state):
    state = model_or_state if isinstance(model_or_state, dict) else dict(
        model_or_state.named_parameters())
    return {name: value.detach().to(torch.float32).contiguous().clone()
            for name, value in state.items()}


def save_adapter(model, folder):
    """A PEFT folder without the paths of this machine."""
    model.peft_config["default"].base_model_name_or_path = "model"
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    open_to_readers(folder)


def open_to_readers(folder):
    """safetensors writes files that only their owner may read."""
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)


def save_tensors(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def largest_difference(a, b):
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


def write_json(value, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
