"""Weights in 8 bits: write them for vLLM, and read them back for training.

Each row of a linear layer has one scale, so that weight = scale × integer of -127 to 127. vLLM
quantises the activations of each token while it computes (compressed-tensors, W8A8). On a CPU, a
token's time is that of reading the weights: 8 bits take half of it, and quantising the output layer
too saves a further eighth.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import Linear
from transformers import AutoConfig, AutoModelForCausalLM

_LARGEST = 127
_SCALE = "_scale"
_OUTPUT_LAYER = "lm_head"
SETTINGS_KEY = "quantization_config"
_WEIGHTS_FILE = "model.safetensors"
_new_model: Callable[..., Any] = AutoModelForCausalLM.from_config


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the integers (int8, [outputs, inputs]) and the scale of each row (float32)."""
    rows = weight.float()
    scale = rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / _LARGEST
    return (rows / scale).round().clamp(-_LARGEST, _LARGEST).to(torch.int8), scale


def quantized_tensors(model: Any) -> dict[str, Tensor]:
    """Return the tensors of a causal language model by name, its linear layers in 8 bits.

    The output layer is written as a layer of its own, also where it shares the embedding's weights.
    """
    linear = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, Linear)}
    tensors: dict[str, Tensor] = {}
    for name, weight in model.state_dict().items():
        if name in linear:
            tensors[name], tensors[f"{name}{_SCALE}"] = quantise(weight)
        else:
            tensors[name] = weight.contiguous()
    output = f"{_OUTPUT_LAYER}.weight"
    if output not in linear:
        tensors[output], tensors[f"{output}{_SCALE}"] = quantise(
            model.get_output_embeddings().weight
        )
    return tensors


def quantization_settings() -> dict[str, Any]:
    """Return the entry of `config.json` by which vLLM recognises the format."""
    per_row = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    per_token = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token"}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": [],
        "config_groups": {
            "group_0": {
                "targets": ["Linear", _OUTPUT_LAYER],
                "weights": {**per_row, "dynamic": False},
                "input_activations": {**per_token, "dynamic": True},
            }
        },
    }


def is_quantized(folder: Path) -> bool:
    """Return whether a folder has weights in 8 bits."""
    settings = getattr(_read_config(folder), SETTINGS_KEY, None)
    return isinstance(settings, Mapping) and settings.get("format") == "int-quantized"


def load_dequantized(folder: Path, attention: str) -> Any:
    """Load a folder of 8-bit weights as a model in bfloat16, for training adapters.

    transformers reads this format only with a library that is made for servers with GPUs.
    """
    config = _read_config(folder)
    delattr(config, SETTINGS_KEY)
    with torch.device("meta"):
        model = _new_model(config, dtype=torch.bfloat16, attn_implementation=attention)
    missing = model.load_state_dict(
        dict(_dequantized_tensors(folder)), strict=False, assign=True
    ).missing_keys
    if missing:
        raise ValueError(f"The weights in {folder.name} have no {missing[0]}.")
    _compute_buffers(model, config)
    return model.eval()


def _dequantized_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a folder by name, those in 8 bits as bfloat16."""
    with safe_open(folder / _WEIGHTS_FILE, framework="pt") as file:
        names = set(file.keys())
        for name in sorted(names):
            if name.endswith(_SCALE):
                continue
            tensor = file.get_tensor(name)
            if f"{name}{_SCALE}" in names:
                tensor = (tensor.float() * file.get_tensor(f"{name}{_SCALE}")).bfloat16()
            yield name, tensor


def _compute_buffers(model: Any, config: Any) -> None:
    """Compute what no file has and the meta device left empty: the position frequencies."""
    for part in model.modules():
        for name, buffer in list(part.named_buffers(recurse=False)):
            if buffer.is_meta:
                fresh = type(part)(config)
                part.register_buffer(name, getattr(fresh, name), persistent=False)


def _read_config(folder: Path) -> Any:
    """Return the configuration of a folder of weights."""
    return AutoConfig.from_pretrained(folder, local_files_only=True)
