"""Numbers that tell how well a line answers a question, for the lines that the encoder ranks first.

question, lines, their nearness -> CANDIDATES lines with LINE_FEATURES each, and what the
question and all lines tell (QUESTION_FEATURES)
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.grounding.families import find_items, lacks_asked_item
from models.grounding.words import compact
from models.line_reader.comparing import Comparison
from models.line_reader.encoder_file import Floats
from models.line_reader.judging.concepts import PROPERTIES, THINGS, Concepts
from models.line_reader.judging.question_facts import QuestionFacts, describe_question
from models.line_reader.judging.text_facts import TextFacts, describe_text
from models.line_reader.judging.words import content_words, is_mostly_chinese
from models.line_reader.lines import Line

CANDIDATES = 20
# No token of the line is near to such a token of the question.
_NEAR = 0.6


@dataclass(frozen=True, slots=True)
class Candidates:
    """The first lines with their features [candidates, features], and those of the question."""

    order: NDArray[np.int64]
    lines: Floats
    question: Floats


@dataclass(frozen=True, slots=True)
class _Weights:
    """What the words and notions of the question weigh: rare ones of the lines weigh more."""

    words: Mapping[str, float]
    concepts: Mapping[str, float]
    rarest: frozenset[str]
    known_words: frozenset[str]
    known_concepts: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """One line with the question, as features look at them."""

    question: QuestionFacts
    weights: _Weights
    shown: TextFacts
    text: TextFacts
    line: Line
    is_keyed: bool
    is_any_keyed: bool


def build_candidates(
    concepts: Concepts, question: str, lines: Sequence[Line], compared: Comparison
) -> Candidates:
    """Return the candidates among at least one line."""
    asked = describe_question(concepts, question)
    weights = _weigh(concepts, asked, lines)
    order = np.argsort(-compared.scores)[:CANDIDATES]
    keyed = [_begins_with_code(line, asked.facts.codes) for line in lines]
    rows = []
    for rank, index in enumerate(order):
        line = lines[index]
        shown = describe_text(concepts, line.shown)
        text = describe_text(concepts, line.quoted if line.cells else line.text)
        found = _Found(asked, weights, shown, text, line, keyed[index], any(keyed))
        near = _nearness_features(compared, order[0], index, rank)
        rows.append(
            (*near, *_word_features(found), *_kind_features(found), *_thing_features(found))
        )
    features = np.array(rows, np.float32)
    return Candidates(
        order, features, _question_features(asked, weights, lines, compared, question)
    )


def _weigh(concepts: Concepts, asked: QuestionFacts, lines: Sequence[Line]) -> _Weights:
    word_counts: Counter[str] = Counter()
    concept_counts: Counter[str] = Counter()
    for line in lines:
        word_counts.update(content_words(line.shown))
        concept_counts.update(concepts.find(line.shown))
    count = len(lines)

    def weight(times: int) -> float:
        return math.log(1 + count / (0.5 + times))

    words = {word: weight(word_counts[word]) for word in sorted(asked.facts.words)}
    known = {word: one for word, one in words.items() if word_counts[word]}
    rarest = max(known.values(), default=0.0)
    return _Weights(
        words,
        {name: weight(concept_counts[name]) for name in sorted(asked.facts.concepts)},
        frozenset(word for word, one in known.items() if one >= rarest - 1e-9),
        frozenset(word_counts),
        frozenset(concept_counts),
    )


def _nearness_features(compared: Comparison, best: int, index: int, rank: int) -> tuple[float, ...]:
    near, texts = compared.nearness, compared.nearness.texts
    tokens = near.tokens[:, index]
    return (
        float(compared.scores[index] - compared.scores[best]) / 2,
        1 / (1 + rank),
        float((texts[index] - texts.mean()) / (texts.std() + 1e-3)) / 2,
        float(near.shares @ tokens) * 3,
        float(near.shares @ np.maximum(_NEAR - tokens, 0.0)) * 10,
        float(tokens.min(initial=1.0)),
    )


def _word_features(found: _Found) -> tuple[float, ...]:
    """Shares of the question's words, notions and codes that the line has."""
    asked, weights, shown = found.question.facts, found.weights, found.shown
    same = shown.is_chinese == asked.is_chinese
    written = compact(shown.text)
    codes = [code for code in asked.codes if code in written]
    families = {item.family for item in find_items(asked.text)}
    siblings = families & {item.family for item in find_items(shown.text)}
    lacks_codes = bool(asked.codes) and not codes
    concepts_shown = _share(weights.concepts, shown.concepts)
    missing = len(asked.words - shown.words) / max(1, len(asked.words))
    return (
        _share(weights.words, shown.words) * same,
        _share(weights.words, found.text.words) * same,
        concepts_shown,
        _share(weights.concepts, found.text.concepts),
        concepts_shown * (not same),
        len(weights.rarest & shown.words) / max(1, len(weights.rarest)) * same,
        missing * same,
        len(codes) / max(1, len(asked.codes)),
        lacks_codes,
        lacks_codes and bool(siblings),
        found.is_keyed,
        found.is_any_keyed and not found.is_keyed,
    )


def _kind_features(found: _Found) -> tuple[float, ...]:
    """Whether the line has what the question asks for: a figure with its unit, a person..."""
    asked, text = found.question, found.text
    kinds, has = asked.kinds, text.kinds
    has_unit = bool(asked.units & text.units)
    other_unit = bool(asked.units and text.units) and not has_unit
    new_codes = bool(text.codes - asked.facts.codes)
    is_dated = text.has_figure or text.has_amount or "interval" in has
    person, role = "person" in has, "role" in has
    return (
        (asked.asks_figure or bool(asked.units)) and has_unit,
        asked.asks_figure and not text.has_figure and not text.has_amount,
        asked.asks_figure and other_unit,
        asked.asks_figure and text.has_figure and not other_unit,
        "person" in kinds and person,
        "person" in kinds and role and not person,
        "person" in kinds and not role and not person,
        "interval" in kinds and "interval" in has,
        "interval" in kinds and "interval" not in has,
        *(name in kinds and name in has for name in ("reason", "permission", "place", "order")),
        *(name in kinds and name not in has for name in ("phone", "money")),
        "when" in kinds and is_dated,
        asked.asks_code and new_codes,
        asked.asks_code and not new_codes,
    )


def _thing_features(found: _Found) -> tuple[float, ...]:
    """How many things and properties of the question the line lacks, and the line's form."""
    asked, shown = found.question.facts.concepts, found.shown.concepts
    lacking = len((asked & THINGS) - shown)
    others = len((found.text.concepts & THINGS) - asked)
    return (
        lacking,
        len((asked & PROPERTIES) - shown),
        others if lacking else 0,
        math.log(1 + len(found.text.text)) / 5,
        bool(found.line.cells),
    )


def _question_features(
    asked: QuestionFacts,
    weights: _Weights,
    lines: Sequence[Line],
    compared: Comparison,
    question: str,
) -> Floats:
    """What the question and all lines tell: what no line has, is not in the documents."""
    text = "\n".join(line.shown for line in lines)
    same = is_mostly_chinese(text) == asked.facts.is_chinese
    written, near = compact(text), compared.nearness
    missing = len(asked.facts.words - weights.known_words)
    values = (
        _share(weights.words, weights.known_words) * same,
        same,
        _share(weights.concepts, weights.known_concepts),
        missing / 3 * same,
        lacks_asked_item(question, [text]),
        float(near.shares @ near.tokens.max(axis=1)) * 3,
        compared.margin,
        "person" in asked.kinds,
        asked.asks_figure,
        asked.asks_code,
        "reason" in asked.kinds,
        len(asked.facts.words) / 5,
        any(code not in written for code in asked.facts.codes),
        len((asked.facts.concepts & THINGS) - weights.known_concepts),
        len((asked.facts.concepts & PROPERTIES) - weights.known_concepts),
    )
    return np.array(values, np.float32)


def _share(weights: Mapping[str, float], having: Collection[str]) -> float:
    total = sum(weights.values())
    return sum(one for name, one in weights.items() if name in having) / total if total else 0.0


def _begins_with_code(line: Line, codes: Collection[str]) -> bool:
    """Whether a line is the entry of one of the codes in a list or table."""
    text = compact(line.text.lstrip("-*• |"))
    after: Callable[[str], str] = lambda code: text[len(code) : len(code) + 1]  # noqa: E731
    return any(text.startswith(code) and not after(code).isdigit() for code in codes)
