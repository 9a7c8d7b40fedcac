"""The log of a training in the language of the page.

An event has its English message and, if it can be translated, the template and the values that the
message was made from (models/sentences.py). Events of earlier versions have only the message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dashboard.metric_names import metric_name
from gateway.tables import AdaptationEvent
from infra.translations import MessageCatalog
from models.sentences import Sentence


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log. `is_english` marks a line of a page in another language."""

    level: str
    text: str
    is_english: bool


def read_log(events: Sequence[AdaptationEvent], texts: MessageCatalog) -> Sequence[LogLine]:
    """Return the lines of events in a language."""
    return [_read(one.level, one.message, one.sentence, texts) for one in events]


def read_reason(message: str, events: Sequence[AdaptationEvent], texts: MessageCatalog) -> LogLine:
    """Return why a job failed: an error's message, translated by the newest event of an error."""
    ended = next((one.sentence for one in events if one.level == "error"), None)
    reason = (ended or {}).get("values", {}).get("reason")
    return _read("error", message, reason if isinstance(reason, Mapping) else None, texts)


def translate_message(message: str, texts: MessageCatalog) -> str:
    """Return a message of a check or training in a language, if it can be translated."""
    made_of = message.as_json() if isinstance(message, Sentence) else None
    return _read("info", str(message), made_of, texts).text


def translate_stored(
    message: str, made_of: Mapping[str, Any] | None, texts: MessageCatalog
) -> LogLine:
    """Return a stored message of a table as a line in a language."""
    return _read("info", message, made_of, texts)


def _read(
    level: str, message: str, made_of: Mapping[str, Any] | None, texts: MessageCatalog
) -> LogLine:
    """Return a message as a line: in English if its template or its values do not fit."""
    if made_of is None or made_of["template"] not in texts.translations:
        return LogLine(level, message, is_english=True)
    try:
        return LogLine(level, _fill(made_of, texts), is_english=False)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return LogLine(level, message, is_english=True)


def _fill(content: Mapping[str, Any], texts: MessageCatalog) -> str:
    """Return a template in a language, filled with its values."""
    values = {name: _render_named(name, value, texts) for name, value in content["values"].items()}
    return texts.gettext(content["template"]).format(**values)


def _render_named(name: str, value: Any, texts: MessageCatalog) -> Any:
    """Return a value by its name: that of a metric is translated by its parts."""
    if name == "metric" and isinstance(value, str):
        return metric_name(value, texts)
    return _render(value, texts)


def _render(value: Any, texts: MessageCatalog) -> Any:
    """Return a value of a template: a part of the sentence in the language, else as it is."""
    if isinstance(value, Mapping):
        return _fill(value, texts)
    if isinstance(value, list):
        return texts.gettext(", ").join(str(_render(part, texts)) for part in value)
    return value
