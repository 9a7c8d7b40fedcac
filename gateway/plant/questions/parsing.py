"""Understand a question: from what it mentions to a typed query. Rules decide, or nothing does.

A word that is neither a name, nor a class, nor a word of questions means that the question is not
understood: a part of it left out would make the answer wrong.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from gateway.plant.assets.values import AssetLevel, Node, NodeKind
from gateway.plant.questions.linking import (
    ANY_ASSET,
    Mention,
    Question,
    entities_with,
    find_class,
    read_question,
    relation_at,
)
from gateway.plant.questions.periods import find_period
from gateway.plant.questions.slots import (
    choose_kind,
    find_concept,
    find_property,
    order_of,
    rating_bound,
)
from gateway.plant.questions.values import (
    AnswerKind,
    AssetClass,
    EventTerm,
    Order,
    PlantQuery,
    TimeRelation,
    Understanding,
)
from gateway.plant.questions.vocabulary import Vocabulary
from gateway.plant.questions.words import TokenKind, load_words
from models.languages import language_of

_PLACES = frozenset(one.value for one in AssetLevel if one.rank < AssetLevel.EQUIPMENT.rank)
# The noun, which may also ask for failure modes, and the verb.
_FAILURES = ("failure", "fails")
_EVENT_KINDS = (NodeKind.FAILURE_MODE, NodeKind.REMEDY)
_SUBJECTS: Mapping[AnswerKind, tuple[NodeKind, ...]] = MappingProxyType(
    {
        AnswerKind.CAUSES: (NodeKind.FAILURE_MODE,),
        AnswerKind.EFFECTS: (NodeKind.FAILURE_MODE,),
        AnswerKind.REMEDIES: (NodeKind.FAILURE_MODE,),
        AnswerKind.RISKS: (NodeKind.FAILURE_MODE,),
        AnswerKind.FAILURE_MODES: (NodeKind.CAUSE, NodeKind.REMEDY, NodeKind.EFFECT),
        AnswerKind.DOCUMENTS: (NodeKind.FAILURE_MODE, NodeKind.WORK_ORDER),
        AnswerKind.WORK_ORDERS: (NodeKind.WORK_ORDER,),
    }
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(slots=True)
class _Parts:
    """What is collected of a question, and the positions that are accounted for."""

    assets: list[Mention] = field(default_factory=list)
    asset_class: AssetClass | None = None
    components: tuple[str, ...] = ()
    taken: set[int] = field(default_factory=set)


def understand(text: str, vocabulary: Vocabulary, today: date) -> Understanding:
    """Return what a question asks for, or the words that keep it from being understood."""
    language = language_of(text)
    period = find_period(text, today)
    question = read_question(text, vocabulary, period.spans)
    parts = _Parts()
    _find_assets(question, parts)
    _find_class(question, vocabulary, parts)
    _drop_apposition(question, vocabulary, parts)
    frames = question.frames()
    ask = choose_kind(
        question, vocabulary, frames, bool(parts.assets), parts.asset_class is not None
    )
    if ask is None:
        return Understanding(None, _left(question, parts.taken), language)
    query = PlantQuery(ask, order_of(frames), period=period.period)
    query = _with_assets(query, question, vocabulary, parts)
    query = _with_detail(query, question, vocabulary, parts, frames)
    unknown = _left(question, parts.taken)
    names_own = bool(question.mentions) or bool(parts.asset_class and parts.asset_class.iris)
    if unknown or not _is_answerable(query):
        return Understanding(None, unknown, language, names_own)
    return Understanding(query, (), language, names_own)


def _find_assets(question: Question, parts: _Parts) -> None:
    """Collect the assets that are mentioned."""
    for mention in question.mentions:
        if mention.of(NodeKind.ASSET) and not mention.of(*_EVENT_KINDS, NodeKind.CAUSE):
            parts.assets.append(mention)
            parts.taken |= mention.positions


def _find_class(question: Question, vocabulary: Vocabulary, parts: _Parts) -> None:
    """Find the class: a word such as `pump` with the words directly before it."""
    left = question.left()
    for at in left:
        word = question.tokens[at].value
        is_class = word in vocabulary.class_words and (parts.asset_class is None)
        if not is_class:
            continue
        positions = [at]
        while positions[0] - 1 in left and (
            question.tokens[positions[0] - 1].value in vocabulary.modifiers
        ):
            positions.insert(0, positions[0] - 1)
        words = [question.tokens[one].value for one in positions]
        parts.asset_class = find_class(words, vocabulary)
        parts.taken.update(positions)
    if parts.asset_class is not None:
        wanted = set(parts.asset_class.text.split())
        parts.components = tuple(
            text for text, words in vocabulary.components.items() if wanted <= set(words)
        ) if wanted else ()  # fmt: skip
        parts.taken.update(at for at in left if question.tokens[at].value == ANY_ASSET)


def _drop_apposition(question: Question, vocabulary: Vocabulary, parts: _Parts) -> None:
    """Leave out a class directly before the asset that it describes, as in `pump P-101`."""
    for mention in parts.assets:
        before = min(mention.positions) - 1
        is_near = before >= 0 and before in parts.taken and before in question.left()
        nodes = mention.of(NodeKind.ASSET)
        is_place = all(vocabulary.levels.get(node.code) in _PLACES for node in nodes)
        if is_near and not is_place:
            parts.asset_class, parts.components = None, ()


def _with_assets(
    query: PlantQuery, question: Question, vocabulary: Vocabulary, parts: _Parts
) -> PlantQuery:
    """Return the query with the mentioned assets, as subject or as the place of others."""
    asset: tuple[Node, ...] = ()
    within: tuple[Node, ...] = ()
    for mention in parts.assets:
        nodes = mention.of(NodeKind.ASSET)
        is_place = all(vocabulary.levels.get(node.code) in _PLACES for node in nodes)
        if (is_place or parts.asset_class is not None) and query.kind is not AnswerKind.LOCATION:
            within = within or nodes
        else:
            asset = asset or nodes
    if (
        within
        and parts.asset_class is None
        and query.kind in (AnswerKind.PARTS, AnswerKind.PROPERTY)
    ):
        asset, within = within, ()
    return replace(
        query,
        asset=asset,
        within=within,
        asset_class=parts.asset_class,
        components=parts.components,
    )


def _with_detail(
    query: PlantQuery,
    question: Question,
    vocabulary: Vocabulary,
    parts: _Parts,
    frames: frozenset[str],
) -> PlantQuery:
    """Return the query with what its kind needs beside assets."""
    query = replace(query, observed="occurred" in frames and "possible" not in frames)
    if query.kind is AnswerKind.LOCATION:
        parts.taken.update(at for at, one in enumerate(question.tokens) if one.value == "installed")
    if query.kind is AnswerKind.POINTS:
        return replace(query, concept=find_concept(question, vocabulary, parts.taken))
    if query.kind is AnswerKind.PROPERTY:
        names, text = find_property(question, vocabulary, parts.taken)
        return replace(query, properties=names, property_text=text, order=Order.ALL)
    if query.kind is AnswerKind.RISKS:
        query = replace(query, rating=rating_bound(question, frames, parts.taken))
    if query.kind in (AnswerKind.ASSETS, AnswerKind.WORK_ORDERS, AnswerKind.VERDICTS):
        query = _with_events(query, question, vocabulary, parts, frames)
    return _with_subject(query, question, vocabulary, parts)


def _with_subject(
    query: PlantQuery, question: Question, vocabulary: Vocabulary, parts: _Parts
) -> PlantQuery:
    """Return the query with the nodes that it is about: by name, or by words of their names."""
    kinds = _SUBJECTS.get(query.kind, ())
    for mention in question.mentions:
        nodes = mention.of(*kinds)
        if nodes and not mention.positions & parts.taken:
            parts.taken |= mention.positions
            query = replace(
                query, subject=nodes, subject_text=question.words(sorted(mention.positions))
            )
    left = _positions_left(question, parts.taken)
    if query.subject or not left or not kinds:
        return query
    words = [question.tokens[at].value for at in left]
    nodes = entities_with(words, vocabulary, kinds)
    components = tuple(
        text for text, tokens in vocabulary.components.items() if set(words) <= set(tokens)
    )
    if query.kind in (AnswerKind.FAILURE_MODES, AnswerKind.RISKS) and components:
        parts.taken.update(left)
        return replace(query, components=components, subject_text=question.words(left))
    if nodes:
        parts.taken.update(left)
        return replace(query, subject=nodes, subject_text=question.words(left))
    return query


def _with_events(
    query: PlantQuery,
    question: Question,
    vocabulary: Vocabulary,
    parts: _Parts,
    frames: frozenset[str],
) -> PlantQuery:
    """Return the query with its event, and the one that it lies before or after."""
    split = relation_at(question.tokens)
    sides = [range(len(question.tokens))] if split is None else _sides(question, split[0])
    events = [_event(question, vocabulary, parts, side) for side in sides]
    query = replace(query, event=events[0], negated="without" in frames)
    if split is None or len(events) < 2:
        return query
    relation: TimeRelation | None = split[1]
    return replace(query, relation=relation, reference=events[1])


def _sides(question: Question, at: int) -> list[range]:
    """Return the positions of the asked event, and of the one that it is related to in time.

    `A after B`; `After B, A`; in Chinese the event comes after B, or before B with a word like at.
    """
    end = len(question.tokens)
    if language_of(question.text) == "zh":
        rest = [one for one in range(at + 1, end) if question.tokens[one].is_content]
        if rest:
            return [range(at + 1, end), range(at)]
        inner = [one for one in range(at) if question.text_of(one) in load_words().particles["at"]]
        if inner:
            return [range(inner[-1]), range(inner[-1] + 1, at)]
        return [range(at), range(0)]
    commas = [
        one for one in range(at, end)
        if question.tokens[one].kind is TokenKind.MARK and question.tokens[one].value == ","
    ]  # fmt: skip
    before = [one for one in range(at) if question.tokens[one].is_content]
    if not before and commas:
        return [range(commas[0], end), range(at + 1, commas[0])]
    return [range(at), range(at + 1, end)]


def _event(
    question: Question, vocabulary: Vocabulary, parts: _Parts, side: range
) -> EventTerm | None:
    """Return the event that a part of the question names; None if it names none."""
    for mention in question.mentions:
        nodes = mention.of(*_EVENT_KINDS)
        if nodes and min(mention.positions) in side:
            parts.taken |= mention.positions
            return EventTerm(nodes, question.words(sorted(mention.positions)))
    left = [at for at in _positions_left(question, parts.taken) if at in side]
    words = [question.tokens[at].value for at in left]
    nodes = entities_with(words, vocabulary, _EVENT_KINDS) if words else ()
    if nodes:
        parts.taken.update(left)
        return EventTerm(nodes, question.words(left))
    if not words and any(
        question.tokens[at].value in _FAILURES and question.tokens[at].kind is TokenKind.FRAME
        for at in side
    ):
        return EventTerm((), "")
    return None


def _positions_left(question: Question, taken: set[int]) -> list[int]:
    """Return the positions of content that nothing accounts for, mentions of other kinds too."""
    return [
        at
        for at, token in enumerate(question.tokens)
        if at not in taken and token.is_content and not _NUMBER.fullmatch(token.value)
    ]


def _left(question: Question, taken: set[int]) -> tuple[str, ...]:
    """Return the words that nothing accounts for."""
    left = [at for at, token in enumerate(question.tokens) if token.is_content and at not in taken]
    return tuple(dict.fromkeys(question.words([at]) for at in left))


def _is_answerable(query: PlantQuery) -> bool:
    """Return whether a query has what its kind needs."""
    match query.kind:
        case AnswerKind.ASSETS:
            if query.relation is not None and (query.event is None or query.reference is None):
                return False
            return bool(query.asset_class or query.within or query.event)
        case AnswerKind.CAUSES | AnswerKind.EFFECTS | AnswerKind.REMEDIES:
            return bool(query.subject)
        case AnswerKind.PROPERTY:
            return bool(query.properties and (query.asset or query.asset_class))
        case AnswerKind.LOCATION | AnswerKind.PARTS:
            return bool(query.asset)
        case AnswerKind.WORK_ORDERS:
            if query.relation is not None and query.reference is None:
                return False
            return bool(
                query.asset or query.within or query.asset_class or query.event or query.subject
            )
        case AnswerKind.DOCUMENTS:
            return bool(query.asset or query.asset_class or query.subject or query.within)
        case AnswerKind.FAILURE_MODES:
            return bool(
                query.asset or query.asset_class or query.subject or query.components
                or query.within or query.order is not query.order.ALL
            )  # fmt: skip
        case _:
            return True
