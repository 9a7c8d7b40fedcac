"""Formatting of the details of audit log entries: the changed values, before and after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.dashboard.formatting import LocaleFormatter
from gateway.dashboard.labels import LABELS
from gateway.dashboard.user_agent import browser_name
from infra.translations import gettext_noop

_EMPTY_VALUE = "–"


@dataclass(frozen=True, slots=True)
class AuditDetail:
    """A detail of an audit log entry; `before` is the old value if it is a change. `name` is empty
    if the action already names the value."""

    name: str
    text: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class AuditDetailFormatter:
    """Formats the details of audit log entries in the page's language and time zone."""

    translate: Callable[[str], str]
    formatter: LocaleFormatter
    currency: str
    zone: ZoneInfo

    def read(self, details: Mapping[str, Any]) -> list[AuditDetail]:
        """Format an entry's details; of a change (`from`, `to`), only the fields that differ."""
        if "from" in details and "to" in details:
            return self._changes(details["from"], details["to"])
        return [
            AuditDetail(self._label(name), self._format_value(name, value))
            for name, value in details.items()
        ]

    def _changes(self, before: Any, after: Any) -> list[AuditDetail]:
        """Format the fields that differ between two versions of a value, old and new."""
        if not isinstance(before, dict) or not isinstance(after, dict):
            return [
                AuditDetail(
                    "", self._format_value("role", after), self._format_value("role", before)
                )
            ]
        return [
            AuditDetail(
                self._label(name),
                self._format_value(name, value),
                self._format_value(name, before.get(name)),
            )
            for name, value in after.items()
            if before.get(name) != value
        ]

    def _label(self, name: str) -> str:
        """Return the translated label of a detail's field, or its name if it has none."""
        return self.translate(LABELS["detail"].get(name, name))

    def _format_value(self, name: str, value: Any) -> str:
        """Format a value by the name of its field."""
        if value is None and name in ("models", "networks", "service_tiers", "permissions"):
            return self.translate(gettext_noop("All"))
        if value is None or value == "":
            return _EMPTY_VALUE
        match name:
            case "budget" | "max_cost" if isinstance(value, int):
                return self.formatter.cost(value, self.currency)
            case "role":
                return self.translate(LABELS["role"].get(str(value), str(value)))
            case "agent":
                return browser_name(str(value))
            case "until":
                return self._format_instant(str(value))
            case "service_tiers":
                return ", ".join(
                    self.translate(LABELS["tier"].get(item, str(item))) for item in value
                )
            case "permissions":
                names = LABELS["key_permission"]
                return ", ".join(self.translate(names.get(item, str(item))) for item in value)
        if isinstance(value, list):
            return ", ".join(str(item) for item in value)
        return str(value)

    def _format_instant(self, text: str) -> str:
        """Format an ISO 8601 time in the page's time zone; other text is unchanged."""
        try:
            return self.formatter.moment(datetime.fromisoformat(text), self.zone)
        except ValueError:
            return text
