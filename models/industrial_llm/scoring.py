"""How good answers are: pure functions from examples and answers to figures.

Figures are shares from 0 to 1 where nothing else is said.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator

from models.industrial_llm.data import TASKS
from models.industrial_llm.examples import Example
from models.industrial_llm.splitting import plain
from models.industrial_llm.tasks.unknown import admits

DIGITS = 4
_MARK = re.compile(r"\[\d+\]")
_NUMBER, _WORD = re.compile(r"\d+(?:\.\d+)?"), re.compile(r"[^\W\d_一-鿿]+|[一-鿿]")
_ALTERNATIVES = re.compile(r"[,;/，；、]")


@dataclass(frozen=True, slots=True)
class Answered:
    """An example, and what a model answered to it."""

    example: Example
    answer: str


Figures = dict[str, float]
Score = Callable[[Sequence[Answered]], Figures]


def score(task: str, answered: Sequence[Answered]) -> dict[str, Figures]:
    """By source, each with how many examples it had. Raises KeyError for an unknown task."""
    found = sorted({one.example.source for one in answered})
    by_source = {name: [one for one in answered if one.example.source == name] for name in found}
    return {
        name: {"examples": len(some)} | _rounded(SCORES[task](some))
        for name, some in by_source.items()
    }


def labels(answered: Sequence[Answered]) -> Figures:
    """How often the answer is the label, whatever its case."""
    return {"accuracy": _mean(_same(one.answer, one.example.answer) for one in answered)}


def terms(answered: Sequence[Answered]) -> Figures:
    """How often it is the term; where several are given, one of them is enough."""
    return {"accuracy": _mean(_is_term(one.answer, one.example.answer) for one in answered)}


def plain_text(answered: Sequence[Answered]) -> Figures:
    """Share of the words' errors in the shorthand that are gone, by edit distance over words, new
    errors taken off; and how often the whole order is right.

    Published is (TP - FP) / (TP + FN) over tokens aligned by hand, which an answer in plain text
    has none of; expansions to several words weigh more here.
    """
    before = sum(distance(one.example.text, one.example.answer) for one in answered)
    after = sum(distance(one.answer, one.example.answer) for one in answered)
    whole = _mean(one.answer.split() == one.example.answer.split() for one in answered)
    return {"token_error_reduction": 1 - after / max(1, before), "whole_orders": whole}


def extraction(answered: Sequence[Answered]) -> Figures:
    """Micro-F1 of entities (text and class), of their texts alone, and of relations."""
    pairs = [(_object(one.answer), json.loads(one.example.answer)) for one in answered]
    return {
        "valid_json": _valid(answered),
        "entity_f1": _micro_f1((_entities(a), _entities(b)) for a, b in pairs),
        "span_f1": _micro_f1((_spans(a), _spans(b)) for a, b in pairs),
        "relation_f1": _micro_f1((_relations(a), _relations(b)) for a, b in pairs),
    }


def severity(answered: Sequence[Answered]) -> Figures:
    """The grade: how often right, and how far off where there is one. The next step: F1 of its
    words where the analysis has one, and how often none is told where it has none."""
    pairs = [(_object(one.answer), json.loads(one.example.answer)) for one in answered]
    graded = [(a, b) for a, b in pairs if isinstance(a.get("severity"), int)]
    steps = [(_words(a.get("next_step")), _words(b["next_step"])) for a, b in pairs]
    return {
        "valid_json": _valid(answered),
        "accuracy": _mean(a.get("severity") == b["severity"] for a, b in pairs),
        "grades_off": _mean(abs(a["severity"] - b["severity"]) for a, b in graded),
        "step_f1": _mean(_micro_f1([(a, b)]) for a, b in steps if b),
        "none_told": _mean(not a for a, b in steps if not b),
    }


def tool_choice(answered: Sequence[Answered]) -> Figures:
    """How often the tool is right, and how often tool and every argument are."""
    pairs = [(_object(one.answer), json.loads(one.example.answer)) for one in answered]
    right = [a.get("tool", "") == b["tool"] for a, b in pairs]
    whole = [
        ok and a.get("arguments") == b["arguments"] for ok, (a, b) in zip(right, pairs, strict=True)
    ]
    return {
        "valid_json": _valid(answered),
        "accuracy": _mean(right),
        "with_arguments": _mean(whole),
    }


def unknown(answered: Sequence[Answered]) -> Figures:
    """How often it says that it does not know where nobody can, and how often it answers where
    anybody can; whether that answer is right is not judged."""
    hidden = [one for one in answered if admits(one.example.answer)]
    open_ = [one for one in answered if not admits(one.example.answer)]
    return {
        "admitted": _mean(admits(one.answer) for one in hidden),
        "answered": _mean(bool(one.answer.strip()) and not admits(one.answer) for one in open_),
    }


def passages(answered: Sequence[Answered]) -> Figures:
    """Of what the passages tell: how often it is told, and how often with the passage's number
    beside it. Of what they do not: how often that is said."""
    told = [one for one in answered if not admits(one.example.answer)]
    missing = [one for one in answered if admits(one.example.answer)]
    right = [_tells(one.answer, one.example.answer) for one in told]
    marked = [_MARK.findall(one.answer) == _MARK.findall(one.example.answer) for one in told]
    return {
        "told": _mean(right),
        "marked": _mean(a and b for a, b in zip(right, marked, strict=True)),
        "admitted": _mean(admits(one.answer) for one in missing),
    }


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "failure_mode": labels,
        "plain_text": plain_text,
        "extraction": extraction,
        "fault_system": labels,
        "terms": terms,
        "severity": severity,
        "tool_choice": tool_choice,
        "unknown": unknown,
        "passages": passages,
    }
)


def distance(first: str, second: str) -> int:
    """How many words must be changed, added or taken away to make one of the other."""
    words, wanted = first.split(), second.split()
    row = list(range(len(wanted) + 1))
    for at, word in enumerate(words, 1):
        above, row[0] = row[0], at
        for to, other in enumerate(wanted, 1):
            above, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, above + (word != other))
    return row[-1]


def _tells(answer: str, wanted: str) -> bool:
    """Whether every number of the wanted answer is told, and half of its words, in whatever
    form."""
    said, right = _MARK.sub("", answer).casefold(), _MARK.sub("", wanted).casefold()
    words, found = set(_WORD.findall(right)), set(_WORD.findall(said))
    numbers = set(_NUMBER.findall(right)) <= set(_NUMBER.findall(said))
    return numbers and 2 * len(words & found) >= len(words) and not admits(answer)


def _same(answer: str, wanted: str) -> bool:
    return " ".join(answer.split()).casefold() == " ".join(wanted.split()).casefold()


def _is_term(answer: str, wanted: str) -> bool:
    good = {plain(wanted), *(plain(one) for one in _ALTERNATIVES.split(wanted))}
    return bool(plain(answer)) and plain(answer) in good


def _object(answer: str) -> Mapping[str, Any]:
    """The answer as a JSON object; an empty one where it is none."""
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _valid(answered: Sequence[Answered]) -> float:
    schema = TASKS[answered[0].example.task].schema if answered else None
    validator = Draft202012Validator(dict(schema or {}))
    return _mean(_holds(validator, one.answer) for one in answered)


def _holds(validator: Draft202012Validator, answer: str) -> bool:
    try:
        return bool(validator.is_valid(json.loads(answer)))
    except ValueError:
        return False


def _entities(found: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    return _listed(found, "entities", ("text", "type"))


def _spans(found: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    return _listed(found, "entities", ("text",))


def _relations(found: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    return _listed(found, "relations", ("head", "type", "tail"))


def _listed(found: Mapping[str, Any], name: str, keys: Sequence[str]) -> Counter[tuple[str, ...]]:
    listed = found.get(name)
    rows = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return Counter(tuple(str(row.get(key)) for key in keys) for row in rows)


def _words(text: Any) -> Counter[tuple[str, ...]]:
    return Counter((word,) for word in plain(text).split()) if isinstance(text, str) else Counter()


def _micro_f1(
    pairs: Iterable[tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]],
) -> float:
    """2 × found of both over found plus wanted, all examples together; 1 where there is nothing."""
    shared = total = 0
    for found, wanted in pairs:
        shared += (found & wanted).total()
        total += found.total() + wanted.total()
    return 2 * shared / total if total else 1.0


def _mean(values: Iterable[float]) -> float:
    """0 where there are none: nothing to be proud of was seen."""
    listed = [float(one) for one in values]
    return sum(listed) / len(listed) if listed else 0.0


def _rounded(figures: Figures) -> Figures:
    return {name: round(value, DIGITS) for name, value in figures.items()}
