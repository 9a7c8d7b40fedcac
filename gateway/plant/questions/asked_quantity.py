"""Questions for the newest value of a quantity of an asset: "What is the temperature of P-101?"

text -> asset and words of the quantity -> (the asset's points) -> the points that have these words
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from gateway.plant.assets.values import AssetLevel, Node, NodeKind
from gateway.plant.graph.triples import class_iri_of
from gateway.plant.questions.linking import Mention, Question, read_question
from gateway.plant.questions.values import AskedPoint
from gateway.plant.questions.vocabulary import Vocabulary, code_key
from gateway.plant.questions.words import TokenKind, load_words, name_tokens, plain_text

_FRAMES = frozenset({"latest", "count", "point"})
_CURRENT = "current"
# Letters and digits with marks between, or letters directly before digits.
_CODE = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9._/-]*\d)[A-Za-z][A-Za-z0-9]*(?:[-_./][A-Za-z0-9]+)+|"
    r"(?<![A-Za-z0-9])[A-Za-z]{1,6}\d{1,6}(?![A-Za-z0-9])"
)
_PREFIX = re.compile(r"[A-Za-z]+[-_./]?")
_NUMBER = re.compile(r"\d{1,6}")
_PLACES = frozenset(one.value for one in AssetLevel if one.rank < AssetLevel.EQUIPMENT.rank)
_MAX_ASSETS = 10


@dataclass(frozen=True, slots=True)
class AskedQuantity:
    """A quantity of one asset, or of several that the question may mean.

    `words` are the words that a point must have, `quantity` those of them that name quantities,
    `others` those that are no words of plants in general, and `text` all of them as the question
    has them.
    """

    assets: tuple[Node, ...]
    words: frozenset[str]
    quantity: frozenset[str]
    others: frozenset[str]
    text: str


@dataclass(frozen=True, slots=True)
class NamedPoint:
    """A point with the scheme and id of its concept, and how far below the asset its own is."""

    point: AskedPoint
    concept: tuple[str, str]
    depth: int


@dataclass(frozen=True, slots=True)
class Fit:
    """The points that fit a question, or those of the same quantity if none fits."""

    fitting: tuple[AskedPoint, ...] = ()
    similar: tuple[AskedPoint, ...] = ()


def asked_quantity(text: str, vocabulary: Vocabulary) -> AskedQuantity | None:
    """Return the quantity whose newest value a question asks for; None if it asks anything else."""
    said = _with_quantities(plain_text(text))
    if not asks_value(said):
        return None
    question = read_question(said, vocabulary)
    if not _frames_fit(question):
        return None
    assets, taken = _asset(question, vocabulary)
    left = [
        at
        for at, token in enumerate(question.tokens)
        if token.is_content and at not in taken and not _says_nothing(question, at)
    ]
    quantities = [at for at in left if question.tokens[at].value in _particle("quantities")]
    if len(quantities) > 1:
        left = [at for at in left if question.tokens[at].value != _CURRENT]
    quantity = frozenset(question.tokens[at].value for at in quantities if at in left)
    if not assets or not quantity:
        return None
    words = frozenset(question.tokens[at].value for at in left)
    others = frozenset(
        question.tokens[at].value for at in left if question.tokens[at].kind is TokenKind.OTHER
    )
    shown = question.words(left)
    shown = shown if shown.isascii() else shown.replace(" ", "")
    return AskedQuantity(assets, words, quantity, others, shown)


def unknown_code(text: str, vocabulary: Vocabulary) -> str:
    """Return what looks like a tag in a question for its value, which the plant does not have.

    Empty if the question asks for anything else, or has several such words.
    """
    codes = _CODE.findall(text)
    rest = _CODE.sub(" ", text)
    if len(codes) != 1 or code_key(codes[0]) in vocabulary.codes or not asks_value(rest):
        return ""
    question = read_question(_with_quantities(plain_text(rest)), vocabulary)
    left = [at for at in question.left() if not _says_nothing(question, at)]
    is_known = all(question.tokens[at].kind is TokenKind.TERM for at in left)
    return codes[0] if is_known and _frames_fit(question) else ""


def code_prefix(code: str) -> str:
    """Return the letters before the first digit of a code, with the marks between: `TI-`."""
    found = _PREFIX.match(code)
    return found[0] if found else ""


def asks_value(text: str) -> bool:
    """Whether a text has words that ask for a value, such as `what is` or `多少`."""
    plain = plain_text(text)
    return any(
        re.search(rf"\b{re.escape(one)}\b", plain) if one.isascii() else one in plain
        for one in (*_particle("asks_value"), *_particle("newest"))
    )


def fitting_points(asked: AskedQuantity, points: Sequence[NamedPoint]) -> Fit:
    """Return the points whose tag, name or concept has all words that were asked for.

    The asset's own points come before those of its parts, and a point with no further words before
    others.
    """
    worded = [(one, _words_of(one)) for one in points]
    full = [(one, words) for one, words in worded if asked.words <= words]
    if not full:
        similar = [one.point for one, words in worded if asked.quantity <= words]
        return Fit(similar=tuple(similar))
    nearest = min(one.depth for one, _ in full)
    chosen = [(one, words) for one, words in full if one.depth == nearest]
    exact = [one for one, _ in chosen if _named_exactly(one, asked.words)]
    return Fit(tuple(one.point for one in (exact or [one for one, _ in chosen])))


def _named_exactly(one: NamedPoint, words: frozenset[str]) -> bool:
    """Return whether a point's name, or its concept, has the words and no others."""
    concept = frozenset(name_tokens(_local(one.concept))) - {"point"}
    return frozenset(name_tokens(one.point.name)) == words or concept == words


def _words_of(one: NamedPoint) -> frozenset[str]:
    """Return the words of a point's tag, name and concept."""
    texts = (one.point.tag, one.point.name, _local(one.concept))
    return frozenset(word for text in texts for word in name_tokens(text))


def _local(concept: tuple[str, str]) -> str:
    """Return the last part of a concept's IRI."""
    scheme, name = concept
    return re.split(r"[#:/]", class_iri_of(scheme, name))[-1] if name else ""


def _frames_fit(question: Question) -> bool:
    """Return whether a question has no frame but those of newest values."""
    for at, token in enumerate(question.tokens):
        if token.kind is not TokenKind.FRAME or at in question.used:
            continue
        if token.value not in _FRAMES:
            return False
        if token.value == "count" and not _is_how_much(question, at):
            return False
    return True


def _is_how_much(question: Question, at: int) -> bool:
    """Return whether a word asks how much: 多少 with nothing after it that could be counted."""
    after = range(at + 1, len(question.tokens))
    return question.text_of(at) in _particle("how_much") and all(
        not question.tokens[one].is_content or _says_nothing(question, one) for one in after
    )


def _says_nothing(question: Question, at: int) -> bool:
    """Return whether a word only asks for a value, such as `now`, or is a unit after 多少."""
    text = question.text_of(at)
    return question.tokens[at].kind is TokenKind.OTHER and (
        text in _particle("newest") or text in _particle("beside_newest")
    )


def _asset(question: Question, vocabulary: Vocabulary) -> tuple[tuple[Node, ...], frozenset[int]]:
    """Return the assets that a question may mean, and the positions of their words."""
    mentions = [one for one in question.mentions if one.of(NodeKind.ASSET)]
    machines = [one for one in mentions if not _is_place(one.of(NodeKind.ASSET), vocabulary)]
    if len(machines) == 1:
        named = machines[0]
        taken = named.positions | _with_class(question, vocabulary, named)
        return named.of(NodeKind.ASSET), taken
    if machines:
        return (), frozenset()
    return _numbered(question, vocabulary)


def _is_place(nodes: Iterable[Node], vocabulary: Vocabulary) -> bool:
    """Return whether assets are areas or lines rather than equipment."""
    return all(vocabulary.levels.get(node.code) in _PLACES for node in nodes)


def _with_class(question: Question, vocabulary: Vocabulary, mention: Mention) -> frozenset[int]:
    """Return the position of a class directly before an asset, as in `pump P-101`."""
    before = min(mention.positions) - 1
    is_class = before >= 0 and question.tokens[before].value in vocabulary.class_words
    return frozenset({before}) if is_class else frozenset()


def _numbered(
    question: Question, vocabulary: Vocabulary
) -> tuple[tuple[Node, ...], frozenset[int]]:
    """Return the assets of a class with a number, as in `pump 3` or `3号泵`."""
    for at in question.left():
        word = question.tokens[at].value
        if word not in vocabulary.class_words:
            continue
        for other in (at + 1, at - 1, at - 2):
            if 0 <= other < len(question.tokens) and _NUMBER.fullmatch(question.text_of(other)):
                number = question.text_of(other)
                return _assets_with(word, number, vocabulary), frozenset({at, other})
    return (), frozenset()


def _assets_with(word: str, number: str, vocabulary: Vocabulary) -> tuple[Node, ...]:
    """Return the assets whose name has a class and a number, at most a few."""
    wanted = {word, number}
    found = (
        name.node
        for name in vocabulary.names
        if name.node.kind is NodeKind.ASSET and wanted <= set(name.tokens)
    )
    return tuple(dict.fromkeys(found))[:_MAX_ASSETS]


def _with_quantities(plain: str) -> str:
    """Return a text in which phrases such as `how hot` name their quantity."""
    for phrase, quantity in _phrases().items():
        plain = plain.replace(phrase, f"what is {quantity} of" if phrase.isascii() else quantity)
    return plain


@cache
def _phrases() -> Mapping[str, str]:
    """Return the quantity of each phrase that asks for it."""
    return {
        phrase: quantity
        for entry in _particle("quantity_phrases")
        for phrase, _, quantity in [entry.partition("=")]
    }


def _particle(name: str) -> Sequence[str]:
    """Return a list of the shared words."""
    return load_words().particles[name]
