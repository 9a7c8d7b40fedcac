"""Codes of entities from their texts, and assets by code or name."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.limits import MAX_CODE, MAX_NAME
from gateway.plant.assets.values import Entity, EntityKind, Node, NodeKind, Property

_WORD = re.compile(r"[^\w]+")
_DIGEST = 12


def plain_name(text: str) -> str:
    """Return a text in lower case without marks, by which names are compared."""
    return _WORD.sub("_", unicodedata.normalize("NFKC", text).casefold()).strip("_")


def code_of(text: str) -> str:
    """Return the code of a text: `Seal leak` gives `seal_leak`. Texts of marks keep them."""
    code = plain_name(text) or text
    if len(code) <= MAX_CODE:
        return code
    return f"{code[: MAX_CODE - _DIGEST - 1]}_{digest(code)}"


def digest(*texts: str) -> str:
    """Return a short digest of texts, the same for the same names."""
    joined = "\n".join(plain_name(text) for text in texts)
    return hashlib.sha256(joined.encode()).hexdigest()[:_DIGEST]


@dataclass(slots=True)
class EntityNames:
    """The entities of a file: those of the account by code or name, and new ones."""

    existing: PlantIndex
    entities: dict[tuple[EntityKind, str], Entity] = field(default_factory=dict)
    _known: dict[tuple[EntityKind, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, code in self.existing.entities:
            self._known[kind, plain_name(code)] = code
        for (kind, code), entity in self.existing.entities.items():
            self._known.setdefault((kind, plain_name(entity.name)), code)

    def node(self, kind: EntityKind, text: str) -> Node:
        """Return the node of an entity that a cell names; an unknown one is added."""
        key = (kind, plain_name(text))
        code = self._known.setdefault(key, code_of(text))
        known = self.existing.entities.get((kind, code))
        self.entities.setdefault((kind, code), known or Entity(kind, code, text[: MAX_NAME + 1]))
        return Node(NodeKind(kind.value), code)

    def put(
        self, kind: EntityKind, code: str, name: str, properties: Mapping[str, Property]
    ) -> Node:
        """Add an entity with its properties; a second row of the same code adds to them."""
        before = self.entities.get((kind, code))
        merged = {**before.properties, **properties} if before else dict(properties)
        self.entities[kind, code] = Entity(
            kind, code, name or (before.name if before else ""), merged
        )
        return Node(NodeKind(kind.value), code)


@dataclass(slots=True)
class AssetNames:
    """The assets of the account by code, or by a name that only one has."""

    existing: PlantIndex
    _by_name: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code, asset in self.existing.assets.items():
            name = plain_name(asset.name)
            self._by_name[name] = None if name in self._by_name else code

    def find(self, text: str) -> Node | None:
        """Return the asset of a cell, None if there is none or several have the name."""
        code = text if text in self.existing.assets else self._by_name.get(plain_name(text))
        return None if code is None else Node(NodeKind.ASSET, code)
