"""The log of a training in the language of the page.

An event has its English message and, if it can be translated, the template and the values that the
message was made from (models/sentences.py). Events of earlier versions have only the message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.tables import AdaptationEvent
from infra.translations import MessageCatalog


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log. `is_english` marks a line of a page in another language."""

    level: str
    text: str
    is_english: bool


def read_log(events: Sequence[AdaptationEvent], texts: MessageCatalog) -> Sequence[LogLine]:
    """Return the lines of events in a language."""
    return [_read_line(event, texts) for event in events]


def _read_line(event: AdaptationEvent, texts: MessageCatalog) -> LogLine:
    """Return an event's line: its message if the template or its values do not fit."""
    if event.sentence is None or event.sentence["template"] not in texts.translations:
        return LogLine(event.level, event.message, is_english=True)
    try:
        return LogLine(event.level, _fill(event.sentence, texts), is_english=False)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return LogLine(event.level, event.message, is_english=True)


def _fill(content: Mapping[str, Any], texts: MessageCatalog) -> str:
    """Return a template in a language, filled with its values."""
    values = {name: _render(value, texts) for name, value in content["values"].items()}
    return texts.gettext(content["template"]).format(**values)


def _render(value: Any, texts: MessageCatalog) -> Any:
    """Return a value of a template: a part of the sentence in the language, else as it is."""
    if isinstance(value, Mapping):
        return _fill(value, texts)
    if isinstance(value, list):
        return texts.gettext(", ").join(str(_render(part, texts)) for part in value)
    return value
