"""The prediction rules of an event contract ([predictions]): which records of the prediction ledger
support a claim, and what a settlement period must show before its outcomes are paid.

A contract without these rules, including every contract from before them, keeps its text, its hash
and its settlement. The field names are part of the canonical JSON: they must not change.
"""

import re
from dataclasses import dataclass

from billing.money import PPM
from billing.outcomes.contracts.field_rules import is_line, require

# The rule of payment, by which the figures of a period are assessed
# (billing/outcomes/predictions/assessment.py). A change of the computation is another version.
RULE_VERSION = 1
MAX_SUBJECTS = 200
_MAX_MODELS = 20
_MAX_MONTHS = 12
_LOWEST_CONFIDENCE = 900_000
_EVENT = re.compile(r"[a-z][a-z0-9_.-]{0,59}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PredictionRules:
    """What a record must say, and what a period of `settle_months` months must show.

    `event` is the kind of event; `subjects` are all machines that are predicted, with or without an
    event. Records of `models` (and, if named, of `agents`) count together, whether cited or not.
    With `reported`, records that the account's own programs reported count too. `confidence_ppm`
    is that of a skill above chance; `precision_ppm` and `recall_ppm` are minimums of the period.
    """

    event: str
    subjects: tuple[str, ...]
    models: tuple[str, ...]
    probability_ppm: int
    settle_months: int
    confidence_ppm: int
    precision_ppm: int
    recall_ppm: int
    agents: tuple[str, ...] = ()
    reported: bool = False
    version: int = RULE_VERSION


def is_event_kind(text: str) -> bool:
    """Return whether a text names a kind of event: lower-case letters, digits, `_`, `.`, `-`."""
    return _EVENT.fullmatch(text) is not None


def validate_prediction_rules(rules: PredictionRules) -> None:
    """Check names, limits and the version of the rule. Raises OutcomeTermsInvalid."""
    require(
        is_event_kind(rules.event),
        "predictions.event",
        "must be a name of lower-case letters, digits, `_`, `.` and `-`",
    )
    _require_names("subjects", rules.subjects, MAX_SUBJECTS)
    _require_names("models", rules.models, _MAX_MODELS)
    if rules.agents:
        _require_names("agents", rules.agents, _MAX_MODELS)
    for field in ("probability", "precision", "recall"):
        valid = 0 < getattr(rules, f"{field}_ppm") <= PPM
        require(valid, f"predictions.{field}", "must be more than 0 and at most 100 percent")
    require(
        _LOWEST_CONFIDENCE <= rules.confidence_ppm < PPM,
        "predictions.confidence",
        "must be at least 90 and less than 100 percent",
    )
    months = 0 < rules.settle_months <= _MAX_MONTHS
    require(months, "predictions.settle_months", f"must be 1 to {_MAX_MONTHS}")
    require(
        rules.version == RULE_VERSION, "predictions.version", f"must be {RULE_VERSION} or left out"
    )


def _require_names(field: str, names: tuple[str, ...], most: int) -> None:
    """Require 1 to `most` distinct one-line names. Raises OutcomeTermsInvalid."""
    name = f"predictions.{field}"
    require(0 < len(names) <= most, name, f"must have 1 to {most} entries")
    require(all(is_line(one, 200) for one in names), name, "must be names of one line")
    require(len(set(names)) == len(names), name, "must not contain an entry twice")
