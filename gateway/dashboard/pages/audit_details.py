"""Details of the audit log as people read them: what changed, from what to what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.dashboard.formatting import Writing
from gateway.dashboard.labels import WORDS, marked
from gateway.dashboard.user_agent import browser_name

_NONE = "–"


@dataclass(frozen=True, slots=True)
class Detail:
    """A value, or a change of one where `before` is a text. `name` is empty where the action says
    already what it is."""

    name: str
    text: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """How a page writes them."""

    say: Callable[[str], str]
    writing: Writing
    currency: str
    zone: ZoneInfo

    def read(self, details: Mapping[str, Any]) -> list[Detail]:
        """Of a change only what differs."""
        if "from" in details and "to" in details:
            return self._changes(details["from"], details["to"])
        return [Detail(self._name(name), self._text(name, one)) for name, one in details.items()]

    def _changes(self, before: Any, after: Any) -> list[Detail]:
        if not isinstance(before, dict) or not isinstance(after, dict):
            return [Detail("", self._text("role", after), self._text("role", before))]
        return [
            Detail(self._name(name), self._text(name, one), self._text(name, before.get(name)))
            for name, one in after.items()
            if before.get(name) != one
        ]

    def _name(self, name: str) -> str:
        return self.say(WORDS["detail"].get(name, name))

    def _text(self, name: str, value: Any) -> str:
        if value is None and name in ("models", "networks", "service_tiers"):
            return self.say(marked("All"))
        if value is None or value == "":
            return _NONE
        match name:
            case "budget" if isinstance(value, int):
                return self.writing.cost(value, self.currency)
            case "role":
                return self.say(WORDS["role"].get(str(value), str(value)))
            case "agent":
                return browser_name(str(value))
            case "until":
                return self._moment(str(value))
            case "service_tiers":
                return ", ".join(self.say(WORDS["tier"].get(one, str(one))) for one in value)
        if isinstance(value, list):
            return ", ".join(str(one) for one in value)
        return str(value)

    def _moment(self, text: str) -> str:
        try:
            return self.writing.moment(datetime.fromisoformat(text), self.zone)
        except ValueError:
            return text
