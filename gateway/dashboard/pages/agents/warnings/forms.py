"""The forms of learned warning rules: a new rule, and the events of a training."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.dates import parse_instant
from gateway.agents.warnings.errors import LearnedWarningInvalid
from gateway.agents.warnings.settings import TrainingDocument, WarningRuleDocument

# The texts of a new rule's form that are shown before anything was sent.
DEFAULTS: Mapping[str, str] = {
    "every": "10m", "horizon": "7d", "lead": "", "normal": "7d", "recovery": "1d",
}  # fmt: skip


def rule_document(fields: Mapping[str, str]) -> WarningRuleDocument:
    """Return the document of a form. Raises LearnedWarningInvalid."""
    stated = {name: fields.get(name, "").strip() or text for name, text in DEFAULTS.items()}
    return WarningRuleDocument(
        name=fields.get("name", ""),
        asset=fields.get("asset", "").strip(),
        points=[one.strip() for one in _parts(fields.get("points", ""))],
        miss=_amount(fields, "miss"),
        false_alarm=_amount(fields, "false_alarm"),
        **stated,
    )


def training_document(fields: Mapping[str, str], zone: ZoneInfo) -> TrainingDocument:
    """Return the training of a form. Raises LearnedWarningInvalid.

    zone: of times without an offset.
    """
    since = fields.get("from", "").strip()
    return TrainingDocument(
        events=[_instant(one, "events", zone) for one in _parts(fields.get("events", ""))],
        event=fields.get("event", "").strip(),
        since=_instant(since, "from", zone) if since else None,
    )


def _parts(text: str) -> list[str]:
    """Return the entries of a text: one a line, or separated by commas."""
    return [one.strip() for one in text.replace(",", "\n").splitlines() if one.strip()]


def _amount(fields: Mapping[str, str], name: str) -> float:
    """Return an amount. Raises LearnedWarningInvalid."""
    try:
        return float(fields.get(name, ""))
    except ValueError as error:
        raise LearnedWarningInvalid(f"`{name}` must be an amount above 0.", param=name) from error


def _instant(text: str, name: str, zone: ZoneInfo) -> datetime:
    """Return a time in UTC. Raises LearnedWarningInvalid."""
    try:
        return parse_instant(datetime.fromisoformat(text), zone)
    except ValueError as error:
        message = f"{text[:40]!r} is not a time such as 2026-11-01T08:00."
        raise LearnedWarningInvalid(message, param=name) from error
