"""The adapter itself: put onto a base, and written as an engine takes it.

Written in bfloat16, which halves it: the engine computes in that anyway.
"""

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
from transformers import AutoModelForCausalLM

from models.industrial_llm.recipes import LINEAR, RANK, Recipe

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MOST_BYTES = 10_000_000
"""Of the adapter that lies in the repository."""


class AdapterUnfit(ValueError):
    """An adapter that is none of this base, or of another rank; the message says which."""


def loaded(base: Path, recipe: Recipe, device: str) -> PeftModel:
    """The base, frozen, with an adapter that changes nothing yet. Seeded by the recipe."""
    torch.manual_seed(recipe.seed)
    model: Any = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.bfloat16,
        attn_implementation=recipe.attention,
        local_files_only=True,
    )
    if recipe.recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return adapted(model, recipe).to(device)


def adapted(model: Any, recipe: Recipe) -> PeftModel:
    """`model` with a fresh adapter, whose weights stay in single precision while learning."""
    settings = LoraConfig(
        r=RANK,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(LINEAR),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings)


def start_from(model: PeftModel, folder: Path) -> None:
    """Take over the weights of an adapter that was written before. Raises AdapterUnfit."""
    try:
        present, given = get_peft_model_state_dict(model), load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise AdapterUnfit(f"The adapter in {folder.name} cannot be read.") from error
    if {name: one.shape for name, one in present.items()} != {
        name: one.shape for name, one in given.items()
    }:
        raise AdapterUnfit(f"The adapter in {folder.name} is of another base or rank.")
    set_peft_model_state_dict(model, {name: one.float() for name, one in given.items()})


def taken(model: PeftModel) -> dict[str, Tensor]:
    """The adapter's weights as they are now, whatever becomes of them."""
    return {name: one.detach().clone() for name, one in get_peft_model_state_dict(model).items()}


def mix(model: PeftModel, start: Mapping[str, Tensor], mixing: float) -> None:
    """Go back between `start` (0) and what was learned since (1): weights in between keep most of
    what was learned, and of what was known before nearly all (docs/decisions/0030)."""
    learned = taken(model)
    between = {name: torch.lerp(start[name], one, mixing) for name, one in learned.items()}
    set_peft_model_state_dict(model, between)


def write(model: PeftModel, folder: Path, base: str) -> None:
    """Write weights and configuration; `base` is the name that the configuration tells."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: one.detach().to("cpu", torch.bfloat16).contiguous()
        for name, one in get_peft_model_state_dict(model).items()
    }
    settings = model.peft_config["default"]
    if not isinstance(settings, LoraConfig):
        raise AdapterUnfit("The model has no adapter of low rank.")
    settings.base_model_name_or_path = base
    settings.inference_mode = True
    # A set has no order: without it the same adapter would be another file each time.
    settings.target_modules = sorted(settings.target_modules or ())
    settings.save_pretrained(str(folder))
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
