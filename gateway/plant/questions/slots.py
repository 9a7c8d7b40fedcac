"""What a question asks for, and its quantities: concept, property, rating, order."""

import re
from collections.abc import Sequence

from gateway.plant.assets.values import NodeKind
from gateway.plant.questions.linking import Question, containing, patterns_of
from gateway.plant.questions.values import AnswerKind, AssetClass, Order, RatingBound
from gateway.plant.questions.vocabulary import Vocabulary
from gateway.plant.questions.words import TokenKind

_RATINGS = ("rpn", "severity", "occurrence", "detection")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OF_EVENTS = frozenset({"occurred", "after", "before", "count", "latest", "when", "fails"})
_ORDERS = (
    ("most", Order.MOST),
    ("count", Order.COUNT),
    ("latest", Order.LATEST),
    ("first", Order.FIRST),
)


def choose_kind(
    question: Question,
    vocabulary: Vocabulary,
    frames: frozenset[str],
    has_asset: bool,
    has_class: bool,
) -> AnswerKind | None:
    """Return what a question asks for, by its frames and mentions; None if nothing says it."""
    kinds = {node.kind for one in question.mentions for node in one.nodes}
    named = _named_kind(frames, kinds, has_asset)
    if named is not None:
        return named
    words = {question.tokens[at].value for at in question.left()}
    if (has_asset or has_class) and words and containing(vocabulary.properties, tuple(words)):
        return AnswerKind.PROPERTY
    has_event = (
        bool({NodeKind.FAILURE_MODE, NodeKind.REMEDY} & kinds)
        or bool(question.left())
        or "fails" in frames
    )
    if "when" in frames or (has_asset and not has_class and has_event):
        return AnswerKind.WORK_ORDERS if _is_of_events(frames, kinds) else AnswerKind.PROPERTY
    if NodeKind.WORK_ORDER in kinds:
        return AnswerKind.WORK_ORDERS
    if "count" in frames and not has_class and has_event:
        return AnswerKind.WORK_ORDERS
    if has_class:
        return AnswerKind.ASSETS
    if "failure" in frames:
        return AnswerKind.FAILURE_MODES
    return AnswerKind.WORK_ORDERS if has_event and kinds else None


def _is_of_events(frames: frozenset[str], kinds: set[NodeKind]) -> bool:
    """Return whether a question about one asset is about events rather than a property."""
    has_event = bool({NodeKind.FAILURE_MODE, NodeKind.REMEDY} & kinds)
    return has_event or bool(_OF_EVENTS & frames)


def _named_kind(frames: frozenset[str], kinds: set[NodeKind], has_asset: bool) -> AnswerKind | None:
    """Return what the question's own words ask for, such as `cause`; None without such a word."""
    if "verdict" in frames:
        return AnswerKind.VERDICTS
    if "document" in frames:
        return AnswerKind.DOCUMENTS
    if set(_RATINGS) & frames:
        return AnswerKind.RISKS
    if "cause" in frames:
        is_inverse = NodeKind.FAILURE_MODE not in kinds and NodeKind.CAUSE in kinds
        return (
            AnswerKind.FAILURE_MODES
            if is_inverse or _asks_failures(frames, kinds)
            else AnswerKind.CAUSES
        )
    if "effect" in frames:
        return AnswerKind.EFFECTS
    if "remedy" in frames:
        return AnswerKind.REMEDIES
    if "order" in frames:
        return AnswerKind.WORK_ORDERS
    if "point" in frames:
        return AnswerKind.POINTS
    if "where" in frames and has_asset:
        return AnswerKind.LOCATION
    if "part" in frames and has_asset:
        return AnswerKind.PARTS
    if "failure" in frames and "count" not in frames and _asks_failures(frames, kinds):
        return AnswerKind.FAILURE_MODES
    return None


def _asks_failures(frames: frozenset[str], kinds: set[NodeKind]) -> bool:
    """Return whether failure modes are asked for: the word stands there and none is named.

    What a work order found is in the answer about the work order.
    """
    return "failure" in frames and not {NodeKind.FAILURE_MODE, NodeKind.WORK_ORDER} & kinds


def order_of(frames: frozenset[str]) -> Order:
    """Return which results are wanted."""
    if "highest" in frames:
        return Order.MOST
    return next((order for frame, order in _ORDERS if frame in frames), Order.ALL)


def find_concept(question: Question, vocabulary: Vocabulary, taken: set[int]) -> AssetClass | None:
    """Return what points measure, by the words that are left; None without any."""
    left = _left(question, taken)
    if not left:
        return None
    words = [question.tokens[at].value for at in left]
    taken.update(left)
    iris = containing(vocabulary.concepts, words)
    return AssetClass(question.words(left), iris, patterns_of(words))


def find_property(
    question: Question, vocabulary: Vocabulary, taken: set[int]
) -> tuple[tuple[str, ...], str]:
    """Return the predicates of a property and its words; both empty if there is none."""
    left = _left(question, taken)
    words = [question.tokens[at].value for at in left]
    found = containing(vocabulary.properties, words) if words else ()
    if not found:
        return (), ""
    taken.update(left)
    exact = tuple(iri for iri in found if set(vocabulary.properties[iri]) == set(words))
    return exact or found, question.words(left)


def rating_bound(question: Question, frames: frozenset[str], taken: set[int]) -> RatingBound:
    """Return the rating that is asked for, with its bound; `rpn` without a name."""
    rating = next((one for one in _RATINGS if one in frames), "rpn")
    numbers = [
        at
        for at, token in enumerate(question.tokens)
        if at not in taken and _NUMBER.fullmatch(token.value)
    ]
    if not numbers or not {"above", "below"} & frames:
        return RatingBound(rating)
    taken.add(numbers[0])
    value = float(question.tokens[numbers[0]].value)
    return RatingBound(rating, value) if "above" in frames else RatingBound(rating, None, value)


def _left(question: Question, taken: set[int]) -> Sequence[int]:
    """Return the positions of content that nothing accounts for."""
    return [
        at
        for at, token in enumerate(question.tokens)
        if at not in taken and token.kind in (TokenKind.TERM, TokenKind.OTHER)
    ]
