"""The models and operations whose calls may support a claim ([attribution] of a contract).

Embeddings predict nothing, so a contract cannot name them. The content of a prediction is checked
only in contracts with prediction rules (prediction_rules.py), whose claims cite ledger records.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.outcomes.contracts.field_rules import is_line, require
from billing.rating.terms import ANY_MODEL, Allowance

# As usage rows name them (gateway/call/values.py).
SPECIALIST_OPERATIONS = ("predictions", "infer")
TEXT_OPERATIONS = ("chat", "text_completion", "messages", "responses")
OPERATIONS = (*SPECIALIST_OPERATIONS, *TEXT_OPERATIONS)
_SPECIALIST_METERS = frozenset({"rows", "images"})
_TEXT_METERS = frozenset({"output_tokens"})
_MAX_MODELS = 20
_MODELS_FIELD, _OPERATIONS_FIELD = "attribution.models", "attribution.operations"


@dataclass(frozen=True, slots=True)
class AttributionRules:
    """The models and operations whose calls may support a claim; a call must match both.

    A model is named by its catalog id, which its fine-tuned versions share.
    """

    models: tuple[str, ...]
    operations: tuple[str, ...]

    def allows(self, model: str | None, operation: str | None) -> bool:
        """Return whether a call of this model and operation may support a claim."""
        named = ANY_MODEL in self.models or model in self.models
        return named and operation in self.operations


def validate_attribution(attribution: AttributionRules) -> None:
    """Require distinct model ids and distinct, known operations. Raises OutcomeTermsInvalid."""
    models, operations = attribution.models, attribution.operations
    require(0 < len(models) <= _MAX_MODELS, _MODELS_FIELD, f"must name 1 to {_MAX_MODELS} models")
    named = all(is_line(one, 100) and one != ANY_MODEL for one in models)
    require(named, _MODELS_FIELD, "must name models by their ids")
    require(len(set(models)) == len(models), _MODELS_FIELD, "must not name a model twice")
    require(bool(operations), _OPERATIONS_FIELD, "must name at least one operation")
    known = set(operations) <= set(OPERATIONS)
    require(known, _OPERATIONS_FIELD, f"must only contain {', '.join(OPERATIONS)}")
    require(
        len(set(operations)) == len(operations),
        _OPERATIONS_FIELD,
        "must not name an operation twice",
    )


def default_attribution(covered: Iterable[Allowance]) -> AttributionRules:
    """Return the rules of an event contract without [attribution], from its covered units.

    These are the covered models with the operations that consume the covered meters; without
    covered units, predictions of any specialist model.
    """
    allowances = tuple(covered)
    if not allowances:
        return AttributionRules((ANY_MODEL,), SPECIALIST_OPERATIONS)
    meters = {one.meter for one in allowances}
    operations = (
        *(SPECIALIST_OPERATIONS if meters & _SPECIALIST_METERS else ()),
        *(TEXT_OPERATIONS if meters & _TEXT_METERS else ()),
    )
    return AttributionRules(tuple(sorted({one.model for one in allowances})), operations)
