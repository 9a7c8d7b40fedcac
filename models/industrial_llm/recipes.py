"""How each profile's base is adapted.

The base itself, and where its weights come from, is the catalog's. Settings are compared by
validation loss and by validation answers, never by what a model is judged by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

# All linear layers of a block: with attention alone the small base learns no shorthand.
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# The engine takes adapters up to this rank (`max_lora_rank`).
RANK = 16


@dataclass(frozen=True, slots=True)
class Recipe:
    """One base's settings.

    base: its public name, which the adapter's configuration tells; never a path. batch: examples a
    step, of which `together` are in memory at once. rounds: how often a task's examples are gone
    over. warm_up: share of the steps in which the rate rises. template: what the base's chat
    template is told beside the messages. averaged: share of the steps, the last ones, whose mean
    the adapter is in the end. limit: tokens of an example, above which it is refused.
    attention: as transformers calls its implementations.
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
    recompute: bool = False
    attention: str = "sdpa"
    template: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


# Small sets are gone over more often: what counts is each task's score, not its share of the lines.
# All together, 1.6 million tokens: about what two cores learn from in an hour.
ROUNDS: Mapping[str, int] = MappingProxyType(
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
    }
)
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        # On a processor short texts take a fifth less time with plain attention, and random numbers
        # for dropout would take an eighth of it.
        "cpu": Recipe(
            "google/gemma-3-270m", ROUNDS, learning_rate=1e-3, averaged=0.25, attention="eager"
        ),
        # Untried: no GPU was at hand. A larger base needs fewer rounds and a lower rate, and its
        # template must not open a train of thought.
        "gpu": Recipe(
            "Qwen/Qwen3.5-9B",
            MappingProxyType({task: max(1, rounds // 2) for task, rounds in ROUNDS.items()}),
            learning_rate=1e-4,
            dropout=0.05,
            batch=32,
            together=8,
            recompute=True,
            template=MappingProxyType({"enable_thinking": False}),
        ),
    }
)
