"""How much a language model may reason before it answers: token budgets by reasoning effort."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_MAX_BUDGET_TOKENS = 1 << 20


class ReasoningEffort(StrEnum):
    """An effort that a model has a budget for, or that turns reasoning off: `none`, `minimal`."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def reasons(self) -> bool:
        """Whether a model reasons at this effort."""
        return self in REASONING_EFFORTS


REASONING_EFFORTS = (ReasoningEffort.LOW, ReasoningEffort.MEDIUM, ReasoningEffort.HIGH)
# The values of OpenAI's `reasoning_effort`; those above `high` get the budget of `high`.
REQUESTED_EFFORTS: Mapping[str, ReasoningEffort] = MappingProxyType(
    {
        **{effort.value: effort for effort in ReasoningEffort},
        "xhigh": ReasoningEffort.HIGH,
        "max": ReasoningEffort.HIGH,
    }
)


def parse_budgets(entry: Any) -> Mapping[str, int]:
    """Parse a catalog entry's table `reasoning`: reasoning tokens at most, by effort.

    Raises ValueError that says what the table must have.
    """
    names = [effort.value for effort in REASONING_EFFORTS]
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise ValueError(f"must have a token budget for each of {', '.join(names)}")
    budgets = [entry[name] for name in names]
    for name, budget in zip(names, budgets, strict=True):
        if type(budget) is not int or not 1 <= budget <= _MAX_BUDGET_TOKENS:
            raise ValueError(
                f"must give `{name}` a whole number of tokens from 1 to {_MAX_BUDGET_TOKENS}"
            )
    if budgets != sorted(budgets):
        raise ValueError("must not give a higher effort fewer tokens")
    return MappingProxyType(dict(zip(names, budgets, strict=True)))
