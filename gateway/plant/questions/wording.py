"""The sentences of answers in English and Chinese (wording.toml).

Names and figures in them come from the graph only.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gateway.plant.assets.values import Node
from gateway.plant.questions.values import AnswerKind, PlantQuery, TimeRelation

Labels = Callable[[Node], str]
_FILE = Path(__file__).with_name("wording.toml")
_SHOWN_NAMES = 4


def examples(language: str) -> Sequence[str]:
    """Return questions that can be asked."""
    return tuple(_texts(language)["examples"])


def heading(kind: AnswerKind, count: int, language: str, *, is_complete: bool) -> str:
    """Return the first line of an answer: how many results there are."""
    return _numbered("list", kind, count, language, is_complete)


def counted(kind: AnswerKind, count: int, language: str, *, is_complete: bool) -> str:
    """Return the answer to how many there are."""
    return _numbered("counted", kind, count, language, is_complete)


def more_line(count: int, language: str) -> str:
    """Return the line that says how many results are not listed."""
    return _said(language, "more", count=count)


def not_found(understood: str, language: str) -> str:
    """Return the answer where the graph has nothing of what was understood."""
    return _said(language, "not_found", understood=understood)


def unknown_names(words: Sequence[str], language: str) -> str:
    """Return the answer to a question with words that the plant model does not have."""
    quoted = (_said(language, "unknown_word", word=word) for word in words)
    return _said(language, "unknown", words=_said(language, "comma").join(quoted))


def not_understood(language: str) -> str:
    """Return the answer to a question that no rule understands, with an example."""
    return _said(language, "not_understood", example=examples(language)[0])


def newest_understood(tags: Sequence[str], language: str) -> str:
    """Return what was understood of a question for the newest values of points."""
    names = _said(language, "comma").join(tags[:_SHOWN_NAMES])
    return _said(language, "newest_understood", names=names)


def newest_line(point: str, value: str, time: str, quality: str, language: str) -> str:
    """Return a point with its newest value; `quality` is that of a reading that is not good."""
    said = _said(language, "newest", point=point, value=value, time=time)
    return said if not quality else said + _said(language, f"quality_{quality}")


def no_reading_line(point: str, language: str) -> str:
    """Return the line of a point without readings."""
    return _said(language, "no_reading", point=point)


def several_line(quantity: str, count: int, language: str) -> str:
    """Return the line above several points that fit a question."""
    return _said(language, "several_points", quantity=quantity, count=count)


def missing_line(asset: str, quantity: str, similar: Sequence[str], language: str) -> str:
    """Return that an asset has no point for a quantity, and the points of a similar one."""
    said = _said(language, "missing_point", asset=asset, quantity=quantity)
    if not similar:
        return said
    return said + _said(language, "similar_points", points=_said(language, "comma").join(similar))


def event_phrase(what: str, date: str, order: str, language: str) -> str:
    """Return an event: what was found or done, when, and in which work order."""
    parts = _said(language, "comma").join(part for part in (date, order) if part)
    if not what or not parts:
        return what or parts
    return _said(language, "event", what=what, parts=parts)


def related_phrase(event: str, relation: TimeRelation, reference: str, language: str) -> str:
    """Return two events in their order of time."""
    return _said(language, relation.value, event=event, reference=reference)


def times_phrase(count: int, language: str) -> str:
    """Return how often something happened."""
    return _said(language, "once" if count == 1 else "times", count=count)


def rating_phrase(name: str, value: str, language: str) -> str:
    """Return a rating of an FMEA item."""
    return f"{_texts(language)['ratings'][name]} {value}"


def describe(query: PlantQuery, label: Labels, language: str) -> str:
    """Return what was understood. `label` gives the name of a node."""
    texts = _texts(language)
    asked = query.property_text or texts["several"][query.kind.value]
    parts = [
        texts["orders"][query.order.value].format(asked=asked),
        *_scope(query, label, language),
        _names(query.subject, label),
        query.concept.text if query.concept is not None else "",
        *_events(query, label, language),
        _rating(query),
    ]
    if query.period.start or query.period.end:
        parts.append(f"{query.period.start or '…'} – < {query.period.end or '…'}")
    return str(texts["separator"]).join(part for part in parts if part)


def _numbered(name: str, kind: AnswerKind, count: int, language: str, is_complete: bool) -> str:
    """Return how many results of a kind there are; Chinese has one form for one and several."""
    texts = _texts(language)
    form = "one" if count == 1 or language == "zh" else "several"
    most = "" if is_complete else texts["at_least"]
    return _said(language, name, most=most, count=count, noun=texts[form][kind.value])


def _events(query: PlantQuery, label: Labels, language: str) -> list[str]:
    """Return the events of a query."""
    parts = []
    if query.event is not None:
        form = "without" if query.negated else "with"
        parts.append(_said(language, form, name=_event_name(query.event.nodes, label, language)))
    if query.relation is not None and query.reference is not None:
        name = _event_name(query.reference.nodes, label, language)
        parts.append(_said(language, f"said_{query.relation.value}", name=name))
    return parts


def _rating(query: PlantQuery) -> str:
    """Return the rating of a query with its bound."""
    rating = query.rating
    if rating is None:
        return ""
    if rating.low is not None:
        return f"{rating.rating} > {rating.low:g}"
    return rating.rating if rating.high is None else f"{rating.rating} < {rating.high:g}"


def _scope(query: PlantQuery, label: Labels, language: str) -> list[str]:
    """Return which assets a query is about."""
    parts = []
    if query.asset_class is not None and query.asset_class.text:
        parts.append(_said(language, "type", name=query.asset_class.text.replace("_", " ")))
    if query.asset:
        parts.append(_names(query.asset, label))
    if query.within:
        parts.append(_said(language, "within", name=_names(query.within, label)))
    return parts


def _event_name(nodes: Sequence[Node], label: Labels, language: str) -> str:
    """Return the names of failure modes or remedies."""
    return _names(nodes, label) or _said(language, "any_failure")


def _names(nodes: Sequence[Node], label: Labels) -> str:
    """Return the names of nodes, the first ones."""
    shown = " / ".join(label(node) for node in nodes[:_SHOWN_NAMES])
    return f"{shown} / …" if len(nodes) > _SHOWN_NAMES else shown


def _said(language: str, key: str, /, **values: object) -> str:
    """Return a sentence with its values."""
    return str(_texts(language)[key]).format(**values)


def _texts(language: str) -> Mapping[str, Any]:
    """Return the sentences of a language."""
    texts: Mapping[str, Any] = _load()[language]
    return texts


@cache
def _load() -> Mapping[str, Any]:
    """Return the sentences, read once in a process."""
    return tomllib.loads(_FILE.read_text("utf-8"))
