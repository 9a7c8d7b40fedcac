"""Compute each task's evaluation figures from examples and answers.

Figures are shares from 0 to 1 unless their function says otherwise.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from infra.lazy_import import LazyModule
from models.grounding.answer import is_not_found
from models.industrial_llm.data import TASKS
from models.industrial_llm.equal_calls import is_equal_call
from models.industrial_llm.examples import Example
from models.industrial_llm.splitting import normalize_text
from models.industrial_llm.tasks.unknown import is_unknown_answer

if TYPE_CHECKING:
    import jsonschema
else:  # compiles grammars of formats when imported, for a second
    jsonschema = LazyModule("jsonschema")

DIGITS = 4
_CITATION = re.compile(r"\[\d+\]")
_NUMBER, _WORD = re.compile(r"\d+(?:\.\d+)?"), re.compile(r"[^\W\d_一-鿿]+|[一-鿿]")
_ALTERNATIVES = re.compile(r"[,;/，；、]")


@dataclass(frozen=True, slots=True)
class AnsweredExample:
    """An example with the model's answer."""

    example: Example
    answer: str


Figures = dict[str, float]
ScoreFunction = Callable[[Sequence[AnsweredExample]], Figures]


def score_by_source(task: str, answered: Sequence[AnsweredExample]) -> dict[str, Figures]:
    """Return the figures and the example count by source. Raises KeyError for an unknown task."""
    sources = sorted({item.example.source for item in answered})
    by_source = {
        name: [item for item in answered if item.example.source == name] for name in sources
    }
    return {
        name: {"examples": len(items)} | _round_figures(SCORES[task](items))
        for name, items in by_source.items()
    }


def score_labels(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the accuracy of labels, ignoring case."""
    return {
        "accuracy": _mean(_is_same_label(item.answer, item.example.answer) for item in answered)
    }


def score_terms(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the accuracy of translated terms; one of several expected alternatives suffices."""
    return {"accuracy": _mean(_matches_term(item.answer, item.example.answer) for item in answered)}


def score_plain_text(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the token error reduction and the share of exactly expanded work orders.

    The reduction is the share of the shorthand's word errors that are gone, by word edit distance,
    minus new errors. The published metric, (TP - FP) / (TP + FN) over hand-aligned tokens, needs an
    alignment that a plain-text answer lacks; expansions to several words weigh more here.
    """
    errors_before = sum(
        word_edit_distance(item.example.text, item.example.answer) for item in answered
    )
    errors_after = sum(word_edit_distance(item.answer, item.example.answer) for item in answered)
    exact_share = _mean(item.answer.split() == item.example.answer.split() for item in answered)
    return {
        "token_error_reduction": 1 - errors_after / max(1, errors_before),
        "whole_orders": exact_share,
    }


def score_extraction(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the micro-F1 of entities (text and class), of entity texts alone, and of relations."""
    pairs = [
        (_parse_json_object(item.answer), json.loads(item.example.answer)) for item in answered
    ]
    return {
        "valid_json": _valid_json_rate(answered),
        "entity_f1": _micro_f1(
            (_entities(answer), _entities(expected)) for answer, expected in pairs
        ),
        "span_f1": _micro_f1((_spans(answer), _spans(expected)) for answer, expected in pairs),
        "relation_f1": _micro_f1(
            (_relations(answer), _relations(expected)) for answer, expected in pairs
        ),
    }


def score_severity(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the accuracy and mean error of the severity grade, and the F1 of the next step.

    `none_told` is the share of correctly empty next steps.
    """
    pairs = [
        (_parse_json_object(item.answer), json.loads(item.example.answer)) for item in answered
    ]
    graded = [
        (answer, expected) for answer, expected in pairs if isinstance(answer.get("severity"), int)
    ]
    steps = [
        (_count_words(answer.get("next_step")), _count_words(expected["next_step"]))
        for answer, expected in pairs
    ]
    return {
        "valid_json": _valid_json_rate(answered),
        "accuracy": _mean(
            answer.get("severity") == expected["severity"] for answer, expected in pairs
        ),
        "grades_off": _mean(
            abs(answer["severity"] - expected["severity"]) for answer, expected in graded
        ),
        "step_f1": _mean(_micro_f1([(answer, expected)]) for answer, expected in steps if expected),
        "none_told": _mean(not answer for answer, expected in steps if not expected),
    }


def score_tool_choice(answered: Sequence[AnsweredExample]) -> Figures:
    """Return the accuracy of the tool, and of the tool with all its arguments.

    `with_arguments` counts equal JSON only. `with_equal_arguments` also counts another form of the
    same value: `1450`, `"1450"` and `{"value": 1450, "unit": "rpm"}` for a tool that takes rpm.
    """
    pairs = [
        (_parse_json_object(item.answer), json.loads(item.example.answer)) for item in answered
    ]
    is_tool_correct = [answer.get("tool", "") == expected["tool"] for answer, expected in pairs]
    is_call_correct = [
        is_correct and answer.get("arguments") == expected["arguments"]
        for is_correct, (answer, expected) in zip(is_tool_correct, pairs, strict=True)
    ]
    return {
        "valid_json": _valid_json_rate(answered),
        "accuracy": _mean(is_tool_correct),
        "with_arguments": _mean(is_call_correct),
        "with_equal_arguments": _mean(
            is_correct and is_equal_call(answer, expected)
            for is_correct, (answer, expected) in zip(is_tool_correct, pairs, strict=True)
        ),
    }


def score_unknown(answered: Sequence[AnsweredExample]) -> Figures:
    """Return how often unanswerable questions are declined and answerable ones answered.

    Whether an answer is correct is not checked.
    """
    unanswerable = [item for item in answered if is_unknown_answer(item.example.answer)]
    answerable = [item for item in answered if not is_unknown_answer(item.example.answer)]
    return {
        "admitted": _mean(is_unknown_answer(item.answer) for item in unanswerable),
        "answered": _mean(
            bool(item.answer.strip()) and not is_unknown_answer(item.answer) for item in answerable
        ),
    }


def score_passages(answered: Sequence[AnsweredExample]) -> Figures:
    """Return how often questions on passages are answered, cited, and declined if unanswerable.

    `marked` counts correct answers with the correct citations.
    """
    answerable = [item for item in answered if not _is_declined(item.example.answer)]
    unanswerable = [item for item in answered if _is_declined(item.example.answer)]
    is_answered = [_states_facts(item.answer, item.example.answer) for item in answerable]
    is_cited = [
        _CITATION.findall(item.answer) == _CITATION.findall(item.example.answer)
        for item in answerable
    ]
    return {
        "told": _mean(is_answered),
        "marked": _mean(
            correct and cited for correct, cited in zip(is_answered, is_cited, strict=True)
        ),
        "admitted": _mean(_is_declined(item.answer) for item in unanswerable),
    }


SCORES: Mapping[str, ScoreFunction] = MappingProxyType(
    {
        "failure_mode": score_labels,
        "plain_text": score_plain_text,
        "extraction": score_extraction,
        "fault_system": score_labels,
        "terms": score_terms,
        "severity": score_severity,
        "tool_choice": score_tool_choice,
        "unknown": score_unknown,
        "passages": score_passages,
        "grounded": score_passages,
    }
)


def word_edit_distance(first: str, second: str) -> int:
    """Return the Levenshtein distance of two texts in words."""
    words, other_words = first.split(), second.split()
    distances = list(range(len(other_words) + 1))
    for row_index, word in enumerate(words, 1):
        diagonal, distances[0] = distances[0], row_index
        for column, other_word in enumerate(other_words, 1):
            diagonal, distances[column] = (
                distances[column],
                min(
                    distances[column] + 1,
                    distances[column - 1] + 1,
                    diagonal + (word != other_word),
                ),
            )
    return distances[-1]


def _states_facts(answer: str, expected: str) -> bool:
    """Return whether an answer has all numbers and half of the words of the expected one."""
    answer_text, expected_text = (
        _CITATION.sub("", answer).casefold(),
        _CITATION.sub("", expected).casefold(),
    )
    expected_words, answer_words = (
        set(_WORD.findall(expected_text)),
        set(_WORD.findall(answer_text)),
    )
    has_numbers = set(_NUMBER.findall(expected_text)) <= set(_NUMBER.findall(answer_text))
    return (
        has_numbers
        and 2 * len(expected_words & answer_words) >= len(expected_words)
        and not _is_declined(answer)
    )


def _is_declined(answer: str) -> bool:
    """Return whether an answer says that the passages do not answer the question."""
    return is_not_found(answer) or is_unknown_answer(answer)


def _is_same_label(answer: str, expected: str) -> bool:
    """Compare an answer and a label, ignoring case and white space."""
    return " ".join(answer.split()).casefold() == " ".join(expected.split()).casefold()


def _matches_term(answer: str, expected: str) -> bool:
    """Return whether an answer is one of the expected term's alternatives."""
    accepted = {
        normalize_text(expected),
        *(normalize_text(alternative) for alternative in _ALTERNATIVES.split(expected)),
    }
    return bool(normalize_text(answer)) and normalize_text(answer) in accepted


def _parse_json_object(answer: str) -> Mapping[str, Any]:
    """Parse an answer as a JSON object; an empty object if it is not one."""
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _valid_json_rate(answered: Sequence[AnsweredExample]) -> float:
    """Return the share of answers that are valid by the task's JSON schema."""
    schema = TASKS[answered[0].example.task].schema if answered else None
    validator = jsonschema.Draft202012Validator(dict(schema or {}))
    return _mean(_is_schema_valid(validator, item.answer) for item in answered)


def _is_schema_valid(validator: "jsonschema.Draft202012Validator", answer: str) -> bool:
    """Return whether an answer is JSON that the schema allows."""
    try:
        return bool(validator.is_valid(json.loads(answer)))
    except ValueError:
        return False


def _entities(extraction: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    """Count an extraction's entities by text and type."""
    return _count_items(extraction, "entities", ("text", "type"))


def _spans(extraction: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    """Count an extraction's entities by text."""
    return _count_items(extraction, "entities", ("text",))


def _relations(extraction: Mapping[str, Any]) -> Counter[tuple[str, ...]]:
    """Count an extraction's relations by head, type and tail."""
    return _count_items(extraction, "relations", ("head", "type", "tail"))


def _count_items(
    extraction: Mapping[str, Any], name: str, keys: Sequence[str]
) -> Counter[tuple[str, ...]]:
    """Count the objects of the extraction's list `name` by their values of `keys`."""
    items = extraction.get(name)
    rows = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return Counter(tuple(str(row.get(key)) for key in keys) for row in rows)


def _count_words(text: Any) -> Counter[tuple[str, ...]]:
    """Count the words of a text; an empty counter for other values."""
    return (
        Counter((word,) for word in normalize_text(text).split())
        if isinstance(text, str)
        else Counter()
    )


def _micro_f1(
    pairs: Iterable[tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]],
) -> float:
    """Return the micro-averaged F1 over all examples; 1 if there is nothing to find."""
    shared = total = 0
    for predicted, expected in pairs:
        shared += (predicted & expected).total()
        total += predicted.total() + expected.total()
    return 2 * shared / total if total else 1.0


def _mean(values: Iterable[float]) -> float:
    """Return the mean; 0 without values, because nothing correct was observed."""
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers) if numbers else 0.0


def _round_figures(figures: Figures) -> Figures:
    """Round all figures to DIGITS decimals."""
    return {name: round(value, DIGITS) for name, value in figures.items()}
