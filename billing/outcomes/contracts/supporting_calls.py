"""Supporting calls: the models and operations whose calls may support a claim.

An embedding predicts nothing, so no contract can name it. What a call predicted is not checked: the
gateway keeps no predictions. Owns the value, its rules, and the default for contracts that name
none. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.outcomes.contracts.field_rules import is_line, require
from billing.rating.terms import ANY_MODEL, Allowance

# As usage rows name them (gateway/call/values.py).
SPECIALIST_OPERATIONS = ("predictions", "infer")
TEXT_OPERATIONS = ("chat", "text_completion")
OPERATIONS = (*SPECIALIST_OPERATIONS, *TEXT_OPERATIONS)
_SPECIALIST_METERS = frozenset({"rows", "images"})
_TEXT_METERS = frozenset({"output_tokens"})
_MOST_MODELS = 20
_MODELS, _OPERATIONS = "attribution.models", "attribution.operations"


@dataclass(frozen=True, slots=True)
class Attribution:
    """A call may support a claim if both its model and its operation are named here. A model is
    named by its catalog id, which its fine-tuned versions share."""

    models: tuple[str, ...]
    operations: tuple[str, ...]

    def allows(self, model: str | None, operation: str | None) -> bool:
        named = ANY_MODEL in self.models or model in self.models
        return named and operation in self.operations


def require_attribution(attribution: Attribution) -> None:
    """Raises OutcomeTermsInvalid."""
    models, operations = attribution.models, attribution.operations
    require(0 < len(models) <= _MOST_MODELS, _MODELS, f"names 1 to {_MOST_MODELS} models")
    named = all(is_line(one, 100) and one != ANY_MODEL for one in models)
    require(named, _MODELS, "names models by their ids")
    require(len(set(models)) == len(models), _MODELS, "names a model twice")
    require(bool(operations), _OPERATIONS, "names at least one operation")
    known = set(operations) <= set(OPERATIONS)
    require(known, _OPERATIONS, f"names some of {', '.join(OPERATIONS)} and no others")
    require(len(set(operations)) == len(operations), _OPERATIONS, "names an operation twice")


def default_attribution(covered: Iterable[Allowance]) -> Attribution:
    """For an event contract that names none: the models that it covers, by the operations that
    consume the covered meters; where it covers none, predictions of any specialist."""
    allowances = tuple(covered)
    if not allowances:
        return Attribution((ANY_MODEL,), SPECIALIST_OPERATIONS)
    meters = {one.meter for one in allowances}
    operations = (
        *(SPECIALIST_OPERATIONS if meters & _SPECIALIST_METERS else ()),
        *(TEXT_OPERATIONS if meters & _TEXT_METERS else ()),
    )
    return Attribution(tuple(sorted({one.model for one in allowances})), operations)
