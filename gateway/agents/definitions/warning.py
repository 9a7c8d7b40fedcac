"""The section `[warning]` of a definition: the learned warning rule that an agent uses."""

from typing import Any

import msgspec

from billing.outcomes.contracts.prediction_rules import is_event_kind
from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.errors import AgentDefinitionInvalid
from models.policies.maintenance.costs import MAX_PERIODS

_MAX_RULE = 120


class WarningStep(msgspec.Struct, frozen=True, kw_only=True):
    """The learned warning rule that every tick evaluates, in this process and without a call.

    rule: its name or id. The horizon of the rule is `horizon` periods of `period_s` seconds. event:
    the kind of event under which probabilities are recorded in the prediction ledger, empty for
    none. stale_s: with older readings, the rule says nothing.
    """

    rule: str
    period_s: float = 86_400.0
    horizon: int = 7
    event: str = ""
    stale_s: float = 3600.0


class WarningDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written."""

    rule: str
    period: str = "1d"
    horizon: int = 7
    event: str = ""
    stale_after: str = "1h"


def check_warning(document: WarningDocument | None) -> WarningStep | None:
    """Return the settings of a section. Raises AgentDefinitionInvalid."""
    if document is None:
        return None
    rule, event = document.rule.strip(), document.event
    if not 0 < len(rule) <= _MAX_RULE:
        raise _invalid("rule", f"has 1 to {_MAX_RULE} characters.")
    if not 1 <= document.horizon <= MAX_PERIODS:
        raise _invalid("horizon", f"must be from 1 to {MAX_PERIODS}.")
    if event and not is_event_kind(event):
        raise _invalid("event", "must be a name such as `pump_failure`.")
    return WarningStep(
        rule=rule,
        period_s=_seconds(document.period, "period"),
        horizon=document.horizon,
        event=event,
        stale_s=_seconds(document.stale_after, "stale_after"),
    )


def warning_fields(step: WarningStep | None) -> dict[str, Any]:
    """Return the field `warning` of a document; nothing without the section."""
    if step is None:
        return {}
    return {
        "warning": {
            "rule": step.rule,
            "period": format_duration(step.period_s),
            "horizon": step.horizon,
            **({"event": step.event} if step.event else {}),
            "stale_after": format_duration(step.stale_s),
        }
    }


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration. Raises AgentDefinitionInvalid."""
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise _invalid(field, str(error)) from error


def _invalid(field: str, reason: str) -> AgentDefinitionInvalid:
    """Return the error of a field of the section."""
    name = f"warning.{field}"
    return AgentDefinitionInvalid(f"`{name}` {reason}", param=name)
