"""Hyperparameters of the adapter training for each base model.

They were chosen by validation loss and validation answers, never by the test examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from infra.errors import AppError

# The engine takes adapters up to this rank (`max_lora_rank`).
RANK = 16


class BaseModelUnsupported(AppError):
    """A base model without hyperparameters for the training of its adapters (HTTP 400)."""

    status = 400
    code = "base_model_unsupported"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The hyperparameters for one base model.

    base: its public name, written to the adapter's configuration; never a path. batch: examples per
    step, of which `together` are in memory at once (micro-batch). rounds: epochs by task. warm_up:
    share of the steps with rising learning rate. template: options of the chat template. averaged:
    share of the last steps whose weights are averaged. clip: maximum gradient norm. limit: maximum
    tokens of an example. rank: rank of the adapter. examples: at most so many of a task, chosen at
    random; all of the others. micro_tokens: maximum tokens of a micro-batch with its padding.
    target_passes: examples of a customer's file over all epochs, for files that are small enough.
    recompute: gradient checkpointing. attention: implementation name in transformers.
    shares_prefix: whether what all dialogues of a batch begin with is computed once, without
    gradients; not with `recompute`, nor for models with other layers than attention.
    """

    base: str
    rounds: Mapping[str, int]
    learning_rate: float
    batch: int = 16
    together: int = 16
    warm_up: float = 0.05
    averaged: float = 0.0
    alpha: int = 32
    dropout: float = 0.0
    clip: float = 1.0
    limit: int = 768
    seed: int = 7
    rank: int = RANK
    examples: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    micro_tokens: int = 1 << 20
    target_passes: int = 1_600
    recompute: bool = False
    shares_prefix: bool = False
    attention: str = "sdpa"
    template: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# Small data sets get more epochs, because each task's score counts equally. In total 1.6 million
# tokens, about an hour of training on two cores.
EPOCHS_BY_TASK: Mapping[str, int] = MappingProxyType(
    {
        "failure_mode": 4,
        "plain_text": 2,
        "extraction": 2,
        "fault_system": 6,
        "terms": 1,
        "severity": 3,
        "tool_choice": 2,
        "unknown": 6,
        "passages": 2,
        "grounded": 0,
    }
)
# A run of the larger base learns 40 tokens per second on two cores: one epoch of a part of the
# examples, 300,000 tokens. The base answers from passages already; it learns their form.
EXAMPLES_OF_LARGE_BASE: Mapping[str, int] = MappingProxyType(
    {
        "failure_mode": 400,
        "plain_text": 1500,
        "extraction": 120,
        "fault_system": 220,
        "terms": 200,
        "severity": 80,
        "tool_choice": 800,
        "unknown": 93,
        "passages": 0,
        "grounded": 185,
    }
)
_LARGE_BASE = Recipe(
    "Qwen/Qwen2.5-Coder-1.5B-Instruct",
    MappingProxyType(dict.fromkeys(EPOCHS_BY_TASK, 1)),
    learning_rate=3e-4,
    averaged=0.25,
    alpha=16,
    rank=8,
    limit=1536,
    examples=EXAMPLES_OF_LARGE_BASE,
    micro_tokens=1024,
    # 200 examples of 60 tokens take ten minutes beside the engine.
    target_passes=400,
)
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "cpu": _LARGE_BASE,
        # For customers' adapters only: the base is served without an industry adapter.
        "cpu-small": replace(
            _LARGE_BASE, base="Qwen/Qwen2.5-Coder-0.5B-Instruct", target_passes=800
        ),
        # On a CPU, eager attention takes a fifth less time for short texts, and dropout would cost
        # an eighth.
        "cpu-tiny": Recipe(
            "google/gemma-3-270m",
            EPOCHS_BY_TASK,
            learning_rate=1e-3,
            averaged=0.25,
            attention="eager",
        ),
        # Never run: no GPU was available. A larger base model needs fewer epochs and a lower
        # learning rate, and its template must not enable reasoning.
        "gpu": Recipe(
            "Qwen/Qwen3.5-9B",
            MappingProxyType(
                {task: max(1, rounds // 2) for task, rounds in EPOCHS_BY_TASK.items()}
            ),
            learning_rate=1e-4,
            dropout=0.05,
            batch=32,
            together=8,
            limit=1536,
            recompute=True,
            template=MappingProxyType({"enable_thinking": False}),
        ),
    }
)


def find_recipe(base: str) -> Recipe:
    """Return the hyperparameters for a base model: a hub id, or a folder named like the model.

    Raises BaseModelUnsupported.
    """
    name = _model_name(base)
    for recipe in RECIPES.values():
        if _model_name(recipe.base) == name:
            return recipe
    known = ", ".join(sorted(recipe.base for recipe in RECIPES.values()))
    raise BaseModelUnsupported(
        f"Language models on the base {name!r} cannot be fine-tuned, only those on {known}. A "
        "folder of base weights must be named like the model."
    )


def _model_name(base: str) -> str:
    """Return the model's name in a hub id or path: its last part in lower case."""
    return base.rstrip("/").rpartition("/")[2].lower()
