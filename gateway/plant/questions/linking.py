"""Find what a question mentions: nodes by code or name, classes, concepts, and words left over."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.questions.values import AssetClass, TimeRelation
from gateway.plant.questions.vocabulary import Vocabulary, code_key
from gateway.plant.questions.words import Token, TokenKind, load_words, plain_text, tokens_of

# Words that may stand between those of a name.
_MAX_GAP = 2
_MAX_CODE_TOKENS = 6
# The word of no class in particular.
ANY_ASSET = "equipment"
_MAX_ALTERNATIVES = 40
_RELATIONS = {one.value: one for one in TimeRelation}


@dataclass(frozen=True, slots=True)
class Mention:
    """Nodes that the same words of a question name, by the positions of these tokens."""

    nodes: tuple[Node, ...]
    positions: frozenset[int]

    def of(self, *kinds: NodeKind) -> tuple[Node, ...]:
        """Return the nodes of these kinds."""
        return tuple(node for node in self.nodes if node.kind in kinds)


@dataclass(frozen=True, slots=True)
class Question:
    """The tokens of a question with the clause of each, and what they mention."""

    text: str
    tokens: tuple[Token, ...]
    clauses: tuple[int, ...]
    mentions: tuple[Mention, ...]

    @property
    def used(self) -> frozenset[int]:
        """Return the positions of tokens that a mention has."""
        return frozenset(at for one in self.mentions for at in one.positions)

    def frames(self) -> frozenset[str]:
        """Return the frames outside mentions."""
        used = self.used
        return frozenset(
            token.value
            for at, token in enumerate(self.tokens)
            if token.kind is TokenKind.FRAME and at not in used
        )

    def left(self) -> list[int]:
        """Return the positions of content that no mention has."""
        used = self.used
        return [at for at, one in enumerate(self.tokens) if one.is_content and at not in used]

    def text_of(self, at: int) -> str:
        """Return a token as the question has it."""
        return self.text[self.tokens[at].start : self.tokens[at].end]

    def words(self, positions: Iterable[int]) -> str:
        """Return the words at positions as the question has them."""
        return " ".join(self.text[self.tokens[at].start : self.tokens[at].end] for at in positions)


def read_question(
    text: str, vocabulary: Vocabulary, hidden: Sequence[tuple[int, int]] = ()
) -> Question:
    """Return a question with its mentions. `hidden` are spans that are no words, such as dates."""
    tokens = tuple(
        one for one in tokens_of(text) if not any(start <= one.start < end for start, end in hidden)
    )
    clauses = tuple(_clauses(tokens))
    mentions = list(_codes(tokens, text, vocabulary))
    taken = {at for one in mentions for at in one.positions}
    candidates = sorted(
        _candidates(tokens, clauses, vocabulary, taken),
        key=lambda one: (-len(one.positions), max(one.positions) - min(one.positions)),
    )
    by_positions: dict[frozenset[int], list[Node]] = {}
    for one in candidates:
        if one.positions in by_positions or not one.positions & taken:
            by_positions.setdefault(one.positions, []).extend(one.nodes)
            taken |= one.positions
    mentions += [
        Mention(tuple(dict.fromkeys(nodes))[:_MAX_ALTERNATIVES], positions)
        for positions, nodes in by_positions.items()
    ]
    return Question(text, tokens, clauses, tuple(mentions))


def relation_at(tokens: Sequence[Token]) -> tuple[int, TimeRelation] | None:
    """Return the position of the word that relates two events in time; None without one."""
    for at, token in enumerate(tokens):
        if token.kind is TokenKind.FRAME and token.value in _RELATIONS:
            return at, _RELATIONS[token.value]
    return None


def find_class(tokens: Sequence[str], vocabulary: Vocabulary) -> AssetClass:
    """Return the class of words such as `feed`, `pump`."""
    if list(tokens) == [ANY_ASSET]:
        return AssetClass(" ".join(tokens))
    wanted = [word for word in tokens if word != ANY_ASSET]
    return AssetClass(" ".join(wanted), containing(vocabulary.classes, wanted), patterns_of(wanted))


def containing(named: Mapping[str, tuple[str, ...]], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the keys whose words contain all wanted ones."""
    return tuple(key for key, words in named.items() if set(wanted) <= set(words))


def patterns_of(tokens: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return for each token the words by which names have it."""
    terms = load_words().terms
    return tuple(terms.get(token, (token,)) for token in tokens)


def entities_with(
    tokens: Sequence[str], vocabulary: Vocabulary, kinds: Sequence[NodeKind]
) -> tuple[Node, ...]:
    """Return the nodes of these kinds whose name contains all tokens."""
    wanted = set(tokens)
    found = (
        name.node
        for name in vocabulary.names
        if name.node.kind in kinds and wanted <= set(name.tokens)
    )
    return tuple(dict.fromkeys(found))[:_MAX_ALTERNATIVES]


def _clauses(tokens: Sequence[Token]) -> Iterator[int]:
    """Yield the number of each token's clause: a word such as `after` begins another one."""
    clause = 0
    for token in tokens:
        if token.kind is TokenKind.FRAME and token.value in _RELATIONS:
            clause += 1
        yield clause


def _codes(tokens: Sequence[Token], text: str, vocabulary: Vocabulary) -> Iterator[Mention]:
    """Yield the nodes whose code the question has: adjacent words and marks, with a digit."""
    plain = plain_text(text)
    at = 0
    while at < len(tokens):
        for length in range(min(_MAX_CODE_TOKENS, len(tokens) - at), 0, -1):
            key = code_key(plain[tokens[at].start : tokens[at + length - 1].end])
            has_digit = any(one.isdigit() for one in key)
            nodes = vocabulary.codes.get(key, ()) if has_digit else ()
            if nodes:
                yield Mention(nodes, frozenset(range(at, at + length)))
                at += length - 1
                break
        at += 1


def _candidates(
    tokens: Sequence[Token], clauses: Sequence[int], vocabulary: Vocabulary, taken: set[int]
) -> Iterator[Mention]:
    """Yield the nodes of which all words of a name stand together in one clause."""
    places: dict[tuple[int, str], list[int]] = {}
    for at, token in enumerate(tokens):
        if at not in taken and token.kind not in (TokenKind.STOP, TokenKind.MARK):
            places.setdefault((clauses[at], token.value), []).append(at)
    for (clause, word), found in places.items():
        for position in vocabulary.by_word.get(word, ()):
            name = vocabulary.names[position]
            for at in found:
                positions = _nearest(name.tokens, clause, at, places)
                if (
                    positions is not None
                    and _span(positions, tokens) <= len(name.tokens) + _MAX_GAP
                ):
                    yield Mention((name.node,), positions)


def _nearest(
    words: Sequence[str], clause: int, at: int, places: Mapping[tuple[int, str], Sequence[int]]
) -> frozenset[int] | None:
    """Return the places of words in a clause nearest to one of them; None if any is missing."""
    chosen = []
    for word in words:
        options = places.get((clause, word))
        if not options:
            return None
        chosen.append(min(options, key=lambda place: abs(place - at)))
    return frozenset(chosen)


def _span(positions: frozenset[int], tokens: Sequence[Token]) -> int:
    """Return how many words stand from the first to the last position, without stop words."""
    between = tokens[min(positions) : max(positions) + 1]
    return sum(one.kind is not TokenKind.STOP for one in between)
