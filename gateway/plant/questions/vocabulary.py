"""The names of an account's plant, by which questions mention its nodes.

Built once for each revision of the plant model. A name is found by its words, in any order, so that
`bearing_change`, `Replace bearing` and `更换轴承` are one name.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.graph.vocabulary import predicate_iri
from gateway.plant.questions.words import load_words, name_tokens, plain_text

MAX_NAME_TOKENS = 8
_MARKS = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class NamedNode:
    """A node with its names; `level` is that of an asset, `types` are IRIs of its classes."""

    node: Node
    names: tuple[str, ...]
    level: str = ""
    types: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a node as words."""

    node: Node
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one account's plant.

    `by_word` has the positions in `names` by the rarest word of each name. `codes` has nodes by
    their code without marks. `classes`, `concepts` and `properties` have the words of each IRI.
    """

    names: tuple[Name, ...] = ()
    by_word: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    codes: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    labels: Mapping[Node, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    class_words: frozenset[str] = frozenset()
    modifiers: frozenset[str] = frozenset()
    concepts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the account has nothing to ask about."""
        return not self.labels

    def label(self, node: Node) -> str:
        """Return the name of a node for people."""
        return self.labels.get(node) or node.code


@dataclass(frozen=True, slots=True)
class VocabularySource:
    """What a vocabulary is built from."""

    nodes: Sequence[NamedNode] = ()
    concepts: Sequence[str] = ()
    components: Sequence[str] = ()


def build_vocabulary(source: VocabularySource) -> Vocabulary:
    """Return the vocabulary of an account's nodes. Takes about a second for 50,000 nodes."""
    names = tuple(_names(source.nodes))
    frequency = Counter(token for name in names for token in name.tokens)
    by_word: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(names):
        by_word[min(name.tokens, key=lambda token: (frequency[token], token))].append(position)
    codes: dict[str, list[Node]] = defaultdict(list)
    for one in source.nodes:
        codes[code_key(one.node.code)].append(one.node)
    assets = [one for one in source.nodes if one.node.kind is NodeKind.ASSET]
    classes = {iri: name_tokens(_local_name(iri)) for one in assets for iri in one.types}
    return Vocabulary(
        names=names,
        by_word={word: tuple(positions) for word, positions in by_word.items()},
        codes={key: tuple(nodes) for key, nodes in codes.items() if key},
        labels={one.node: one.names[0] if one.names else one.node.code for one in source.nodes},
        levels={one.node.code: one.level for one in assets},
        classes=classes,
        class_words=_class_words(classes.values(), assets),
        modifiers=_modifiers(classes.values(), names),
        concepts={iri: name_tokens(_local_name(iri)) for iri in source.concepts},
        properties={
            predicate_iri(name): name_tokens(name)
            for one in source.nodes
            for name in one.properties
        },
        components={text: name_tokens(text) for text in source.components},
    )


def code_key(code: str) -> str:
    """Return a code without marks in lower case: `P-101` and `p 101` are one code."""
    return _MARKS.sub("", plain_text(code))


def _names(nodes: Iterable[NamedNode]) -> Iterable[Name]:
    """Yield the names of nodes by which they can be mentioned.

    An asset that is only called `Pump` is not: the word is that of a class.
    """
    for one in nodes:
        is_entity = one.node.kind is not NodeKind.ASSET
        texts = (*one.names, one.node.code) if is_entity else one.names
        for tokens in dict.fromkeys(name_tokens(text) for text in texts):
            is_word = len(tokens) == 1 and not is_entity
            if tokens and len(tokens) <= MAX_NAME_TOKENS and not is_word:
                yield Name(one.node, tokens)


def _class_words(classes: Iterable[tuple[str, ...]], assets: Iterable[NamedNode]) -> frozenset[str]:
    """Return the words that name classes: the last word of a class or of an asset's name."""
    terms = load_words().terms
    words = {"equipment"}
    for tokens in classes:
        words.update(tokens[-1:])
    for one in assets:
        for name in one.names[:1]:
            plain = [token for token in name_tokens(name) if not _DIGIT.search(token)]
            words.update(token for token in plain[-1:] if token in terms)
    return frozenset(words)


def _modifiers(classes: Iterable[tuple[str, ...]], names: Iterable[Name]) -> frozenset[str]:
    """Return the words that narrow a class, as `feed` in `feed pump`, but name no event."""
    words = {word for tokens in classes for word in tokens}
    events: set[str] = set()
    for name in names:
        is_asset = name.node.kind is NodeKind.ASSET
        (words if is_asset else events).update(name.tokens)
    return frozenset(words - events)


def _local_name(iri: str) -> str:
    """Return the last part of an IRI."""
    return re.split(r"[#:/]", iri)[-1]
