"""Fields of incidents and their validation. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from infra.errors import AppError

_MAX_TITLE, _MAX_TEXT, _MAX_MODELS = 120, 2_000, 100
_LARGEST_AGE = timedelta(days=30)


class Impact(StrEnum):
    """How much an incident disturbs customers."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    MAINTENANCE = "maintenance"


class IncidentStatus(StrEnum):
    """The state of an incident; `resolved` is final."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class IncidentInvalid(AppError):
    """A field of an incident is invalid; `param` names it."""

    status = 400
    type = "invalid_request_error"
    code = "incident_invalid"


class IncidentNotFound(AppError):
    """There is no incident with this id."""

    status = 404
    type = "invalid_request_error"
    code = "incident_not_found"


class IncidentResolved(AppError):
    """The incident is resolved; its updates are complete."""

    status = 409
    type = "invalid_request_error"
    code = "incident_resolved"


@dataclass(frozen=True, slots=True)
class LocalText:
    """A text in both languages; one that is empty is replaced by the other."""

    en: str = ""
    zh: str = ""


@dataclass(frozen=True, slots=True)
class NewIncident:
    """An incident to open. Without `started_at` it begins now."""

    title: LocalText
    text: LocalText
    impact: str = Impact.MINOR
    models: Sequence[str] = ()
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update to add to an incident, with its new status."""

    status: str
    text: LocalText


def require_impact(name: str) -> Impact:
    """Return a known impact. Raises IncidentInvalid."""
    if name not in set(Impact):
        raise IncidentInvalid(f"Use one of: {', '.join(Impact)}.", param="impact")
    return Impact(name)


def require_status(name: str) -> IncidentStatus:
    """Return a known status. Raises IncidentInvalid."""
    if name not in set(IncidentStatus):
        raise IncidentInvalid(f"Use one of: {', '.join(IncidentStatus)}.", param="status")
    return IncidentStatus(name)


def require_title(title: LocalText) -> LocalText:
    """Return a title of one line in both languages. Raises IncidentInvalid."""
    found = _both(title, "title", _MAX_TITLE)
    if not (found.en.isprintable() and found.zh.isprintable()):
        raise IncidentInvalid("The title must be one line.", param="title")
    return found


def require_text(text: LocalText) -> LocalText:
    """Return the text of an update in both languages. Raises IncidentInvalid."""
    found = _both(text, "text", _MAX_TEXT)
    if not all(line.isprintable() for one in (found.en, found.zh) for line in one.splitlines()):
        raise IncidentInvalid("The text contains control characters.", param="text")
    return found


def require_models(names: Sequence[str]) -> list[str]:
    """Return the affected models without duplicates. Raises IncidentInvalid."""
    models = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(models) > _MAX_MODELS or any(len(one) > 200 or not one.isprintable() for one in models):
        raise IncidentInvalid(f"Name at most {_MAX_MODELS} models.", param="models")
    return models


def require_started_at(started_at: datetime | None, now: datetime) -> datetime:
    """Return when an incident began: within the last 30 days. Raises IncidentInvalid."""
    if started_at is None:
        return now
    if started_at.tzinfo is None or not now - _LARGEST_AGE <= started_at <= now:
        raise IncidentInvalid(
            "The start must be a time with its zone within the last 30 days.", param="started_at"
        )
    return started_at


def _both(text: LocalText, param: str, longest: int) -> LocalText:
    """Return a text in both languages without surrounding spaces. Raises IncidentInvalid."""
    en, zh = text.en.strip(), text.zh.strip()
    if not (en or zh) or max(len(en), len(zh)) > longest:
        raise IncidentInvalid(
            f"State the {param} in at least one language, with at most {longest} characters.",
            param=param,
        )
    return LocalText(en or zh, zh or en)
