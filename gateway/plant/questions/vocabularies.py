"""Vocabularies of accounts in memory, read from the database when the plant model has changed."""

import asyncio
from collections import OrderedDict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.values import EntityKind, Node, NodeKind
from gateway.plant.graph.triples import class_iri_of
from gateway.plant.questions.vocabulary import (
    NamedNode,
    Vocabulary,
    VocabularySource,
    build_vocabulary,
)
from gateway.plant.store.revisions import read_revision
from gateway.tables.plant import PlantAsset, PlantEntity, PlantPoint
from infra.database.database import Database
from infra.single_flight import SingleFlight

# Of accounts in a process, and of names in each; further ones are found by SPARQL only.
_MAX_ACCOUNTS = 8
MAX_NODES = 60_000
_NAME_PROPERTIES = ("name_en", "name_zh", "alias", "aliases", "english_name", "chinese_name")
_COMPONENT = "component"


class Vocabularies:
    """The vocabularies of accounts that ask questions. One per gateway process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[UUID, tuple[int, Vocabulary]] = OrderedDict()
        self._loading: SingleFlight[tuple[UUID, int], Vocabulary] = SingleFlight()

    async def of_account(self, account_id: UUID) -> Vocabulary:
        """Return the vocabulary of an account's present plant model."""
        async with self._database.transaction() as session:
            revision = await read_revision(session, account_id)
        if not revision:
            return Vocabulary()
        kept = self._kept.get(account_id)
        if kept is not None and kept[0] == revision:
            self._kept.move_to_end(account_id)
            return kept[1]
        return await self._loading.run(
            (account_id, revision), lambda: self._load(account_id, revision)
        )

    async def _load(self, account_id: UUID, revision: int) -> Vocabulary:
        """Read a vocabulary and keep it in place of the one that was unused for longest."""
        async with self._database.transaction() as session:
            source = await read_source(session, account_id)
        # In a thread: a large plant takes about a second.
        vocabulary = await asyncio.to_thread(build_vocabulary, source)
        self._kept[account_id] = (revision, vocabulary)
        while len(self._kept) > _MAX_ACCOUNTS:
            self._kept.popitem(last=False)
        return vocabulary


async def read_source(session: AsyncSession, account_id: UUID) -> VocabularySource:
    """Return what the vocabulary of an account is built from."""
    entities = await _read_entities(session, account_id)
    assets = await _read_assets(session, account_id)
    return VocabularySource(
        [*assets, *(node for node, _ in entities)],
        await _read_concepts(session, account_id),
        list(dict.fromkeys(component for _, component in entities if component)),
    )


async def _read_assets(session: AsyncSession, account_id: UUID) -> list[NamedNode]:
    """Return the active assets with their names, classes and names of properties."""
    query = (
        select(PlantAsset)
        .where(col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None))
        .order_by(col(PlantAsset.id))
        .limit(MAX_NODES)
    )
    return [
        NamedNode(
            Node(NodeKind.ASSET, row.code),
            _names(row.name, row.properties),
            row.level,
            tuple(class_iri_of(scheme, name) for scheme, name in row.types.items()),
            tuple(row.properties),
        )
        for row in (await session.scalars(query)).all()
    ]


async def _read_entities(session: AsyncSession, account_id: UUID) -> list[tuple[NamedNode, str]]:
    """Return the active entities, and the component of items of an FMEA.

    Work orders and FMEA items are found by their codes only.
    """
    query = (
        select(PlantEntity)
        .where(col(PlantEntity.account_id) == account_id, col(PlantEntity.retired_at).is_(None))
        .order_by(col(PlantEntity.id).desc())
        .limit(MAX_NODES)
    )
    found = []
    for row in (await session.scalars(query)).all():
        is_record = row.kind in (EntityKind.WORK_ORDER, EntityKind.FMEA_ITEM)
        names = () if is_record else _names(row.name, row.properties)
        component = row.properties.get(_COMPONENT, {}).get("value", "")
        is_item = row.kind == EntityKind.FMEA_ITEM
        node = NamedNode(Node(NodeKind(row.kind), row.code), names)
        found.append((node, component if is_item else ""))
    return found


async def _read_concepts(session: AsyncSession, account_id: UUID) -> list[str]:
    """Return the concepts that points of an account have."""
    query = (
        select(PlantPoint.concept_scheme, PlantPoint.concept_id)
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.retired_at).is_(None),
            col(PlantPoint.concept_id) != "",
        )
        .distinct()
        .limit(MAX_NODES)
    )
    return [class_iri_of(scheme, concept) for scheme, concept in await session.execute(query)]


def _names(name: str, properties: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """Return the names of a node: its own, those of both languages in one, and its aliases."""
    others = (properties.get(one, {}).get("value", "") for one in _NAME_PROPERTIES)
    parts = name.split(" / ") if " / " in name else []
    return tuple(dict.fromkeys(one.strip() for one in (name, *parts, *others) if one.strip()))
