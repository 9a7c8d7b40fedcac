"""LoRA adapters: create, load, interpolate and save them.

Adapters are saved in bfloat16, which halves their size: the engine computes in bfloat16 anyway.
Their names are those of the base's checkpoint, by which the engine finds the layers.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Linear
from transformers import AutoConfig, AutoModelForCausalLM

from models.industrial_llm.int8 import is_quantized, load_dequantized
from models.industrial_llm.recipes import Recipe

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MAX_ADAPTER_BYTES = 20_000_000
"""Maximum size of the adapter in the repository."""
_BLOCK_LAYER = re.compile(r"(?:^|\.)layers\.\d+\.(?:.+\.)?(\w+)$")
# A checkpoint that also reads pictures has its language model below this name. The text-only class
# that is trained leaves it out, and an adapter without it would change nothing in the engine.
_TEXT_PART = "language_model."
_DECODER = "base_model.model.model."


class AdapterMismatch(ValueError):
    """An adapter that cannot be read, or belongs to another base model or rank."""


def load_model(base: Path, recipe: Recipe, device: str) -> PeftModel:
    """Load the frozen base model with a new LoRA adapter, seeded by the recipe.

    The new adapter does not change the base model's output yet.
    """
    torch.manual_seed(recipe.seed)
    model: Any = (
        load_dequantized(base, recipe.attention)
        if is_quantized(base)
        else AutoModelForCausalLM.from_pretrained(
            base,
            dtype=torch.bfloat16,
            attn_implementation=recipe.attention,
            local_files_only=True,
        )
    )
    if recipe.recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return add_adapter(model, recipe).to(device)


def add_adapter(model: Any, recipe: Recipe) -> PeftModel:
    """Add a new LoRA adapter to a model. The adapter's weights stay in float32 during training."""
    settings = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(linear_layer_names(model)),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings)


def linear_layer_names(model: Any) -> tuple[str, ...]:
    """Return the names of the linear layers in the decoder blocks of a model, sorted.

    All of them get an adapter: with the attention layers alone the small base model does not learn
    to expand shorthand. Architectures differ: Qwen3.5 has linear attention in three of four blocks.
    Raises AdapterMismatch if the model has none.
    """
    matches = (
        _BLOCK_LAYER.search(path)
        for path, module in model.get_decoder().named_modules()
        if isinstance(module, Linear)
    )
    names = {match[1] for match in matches if match is not None}
    if not names:
        raise AdapterMismatch("The base model has no linear layers that an adapter could change.")
    return tuple(sorted(names))


def text_part_name(base: Path) -> str:
    """Return the name below which a base's checkpoint has its language model; empty if none."""
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    return "" if config.get_text_config() is config else _TEXT_PART


def load_adapter_weights(model: PeftModel, folder: Path) -> None:
    """Load a saved adapter's weights into the model. Raises AdapterMismatch."""
    try:
        expected, saved = get_peft_model_state_dict(model), load_file(folder / WEIGHTS)
        stored = {name.replace(f"{_DECODER}{_TEXT_PART}", _DECODER): saved[name] for name in saved}
    except (SafetensorError, OSError) as error:
        raise AdapterMismatch(f"The adapter in {folder.name} cannot be read.") from error
    if {name: weight.shape for name, weight in expected.items()} != {
        name: weight.shape for name, weight in stored.items()
    }:
        raise AdapterMismatch(f"The adapter in {folder.name} is for another base or rank.")
    set_peft_model_state_dict(model, {name: weight.float() for name, weight in stored.items()})


def copy_adapter_weights(model: PeftModel) -> dict[str, Tensor]:
    """Return a copy of the adapter's current weights by name."""
    return {
        name: weight.detach().clone() for name, weight in get_peft_model_state_dict(model).items()
    }


def interpolate_adapter(model: PeftModel, start: Mapping[str, Tensor], mixing: float) -> None:
    """Set the adapter's weights between `start` (mixing 0) and the current ones (mixing 1).

    Interpolated weights keep most of what was trained and nearly all of what was known before
    (docs/decisions/0030).
    """
    trained = copy_adapter_weights(model)
    interpolated = {
        name: torch.lerp(start[name], weight, mixing) for name, weight in trained.items()
    }
    set_peft_model_state_dict(model, interpolated)


def save_adapter(model: PeftModel, folder: Path, base: str, text_part: str = "") -> None:
    """Save the adapter's weights and configuration to a folder.

    `base` is the base model's public name, written to the configuration. `text_part` is the name
    of the language model within the base's checkpoint (`text_part_name`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name.replace(_DECODER, f"{_DECODER}{text_part}", 1): weight.detach()
        .to("cpu", torch.bfloat16)
        .contiguous()
        for name, weight in get_peft_model_state_dict(model).items()
    }
    settings = model.peft_config["default"]
    if not isinstance(settings, LoraConfig):
        raise AdapterMismatch("The model has no LoRA adapter.")
    settings.base_model_name_or_path = base
    settings.inference_mode = True
    # Sorted: a set has no stable order, and the same adapter must give the same file.
    settings.target_modules = sorted(settings.target_modules or ())
    settings.save_pretrained(str(folder))
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
