"""Files that the graph links to what a search names, over at most three hops.

query -> mentioned assets, failure modes, … -> documents about them or their neighbours
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.values import EntityKind, Node, NodeKind
from gateway.plant.graph.activity import FILE_PROPERTY, read_document_mark
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.vocabulary import PLANT, RDFS, node_iri
from gateway.plant.questions.linking import read_question
from gateway.plant.questions.vocabularies import Vocabularies
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables.plant import PlantEntity
from infra import ids
from infra.database.database import Database
from infra.errors import AppError

MAX_HOPS = 3
_MAX_SEEDS, _MAX_FILES, _MAX_QUERY = 12, 200, 1_000
_SEED_KINDS = (
    NodeKind.ASSET, NodeKind.FAILURE_MODE, NodeKind.CAUSE, NodeKind.REMEDY, NodeKind.WORK_ORDER,
)  # fmt: skip
# The ways from what is named to a document, as predicates; `^` goes against the relation.
_WAYS = (
    ("^about",),
    ("partOf", "^about"),
    ("^partOf", "^about"),
    ("^on", "^about"),
    ("^found", "^about"),
    ("^affects", "^about"),
    ("affects", "^about"),
    ("causedBy", "^about"),
    ("^causedBy", "^about"),
    ("remediedBy", "^about"),
    ("^remediedBy", "^about"),
    ("^on", "found", "^about"),
    ("^on", "remedy", "^about"),
    ("partOf", "partOf", "^about"),
    ("^affects", "causedBy", "^about"),
    ("^affects", "remediedBy", "^about"),
)


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file of the graph: hops from what the search names, and the triples of the way."""

    file_id: UUID
    hops: int
    path: tuple[str, ...]


class LinkedFiles:
    """Finds linked files for searches. One per gateway process."""

    def __init__(self, graphs: PlantGraphs, vocabularies: Vocabularies, database: Database) -> None:
        self._graphs = graphs
        self._vocabularies = vocabularies
        self._database = database

    async def find(self, account_id: UUID, queries: Sequence[str]) -> Mapping[UUID, LinkedFile]:
        """Return the files by id, each over its shortest way; none if the graph cannot be asked.

        A search never fails because of the graph.
        """
        try:
            return await self._find(account_id, queries)
        except AppError as error:
            structlog.get_logger().warning("the plant graph was not searched", reason=error.code)
            return {}

    async def _find(self, account_id: UUID, queries: Sequence[str]) -> Mapping[UUID, LinkedFile]:
        """Return the linked files. Raises the errors of a SPARQL query."""
        vocabulary = await self._vocabularies.of_account(account_id)
        if vocabulary.is_empty:
            return {}
        seeds = dict.fromkeys(
            node
            for text in queries
            for mention in read_question(text[:_MAX_QUERY], vocabulary).mentions
            for node in mention.of(*_SEED_KINDS)
        )
        async with self._database.transaction() as session:
            if not seeds or not await _has_documents(session, account_id):
                return {}
        text = link_query(list(seeds)[:_MAX_SEEDS])
        result = await self._graphs.query(account_id, text, (ResultFormat.JSON,))
        return read_links(result.content)


def link_query(seeds: Sequence[Node]) -> str:
    """Return the query of the files linked to nodes, the nearest first."""
    values = " ".join(f"<{node_iri(node)}>" for node in seeds)
    ways = " union ".join(_way(number, way) for number, way in enumerate(_WAYS))
    return (
        f"select ?file ?way ?n0 ?n1 ?n2 ?document ?n0_label ?n1_label ?n2_label ?document_label "
        f"where {{ values ?n0 {{ {values} }} {{ {ways} }} ?document <{PLANT}file> ?file . "
        f"optional {{ ?document <{RDFS}label> ?document_label }} "
        f"optional {{ ?n0 <{RDFS}label> ?n0_label }} }} order by ?way limit {_MAX_FILES}"
    )


def read_links(content: bytes) -> dict[UUID, LinkedFile]:
    """Return the files of a result of `link_query`, each over its shortest way."""
    found: dict[UUID, LinkedFile] = {}
    for row in msgspec.json.decode(content)["results"]["bindings"]:
        identity = ids.parse_id(FILE_PREFIX, row["file"]["value"])
        way = _WAYS[int(row["way"]["value"])]
        if identity is None or (identity in found and found[identity].hops <= len(way)):
            continue
        found[identity] = LinkedFile(identity, len(way), _path(way, row))
    return found


def _way(number: int, way: Sequence[str]) -> str:
    """Return the pattern of a way, with the labels of the nodes between."""
    names = [*(f"?n{at}" for at in range(len(way))), "?document"]
    steps = []
    for at, step in enumerate(way):
        subject, target = names[at], names[at + 1]
        if step.startswith("^"):
            subject, target = target, subject
        steps.append(f"{subject} <{PLANT}{step.lstrip('^')}> {target} .")
    labels = [f"optional {{ {one} <{RDFS}label> {one}_label }}" for one in names[1:-1]]
    return f"{{ {' '.join(steps)} {' '.join(labels)} bind({number} as ?way) }}"


def _path(way: Sequence[str], row: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return the triples of a way as texts with the labels of their nodes."""
    names = [*(f"n{at}" for at in range(len(way))), "document"]
    labels = [row.get(f"{one}_label", row[one])["value"][:100] for one in names]
    path = []
    for at, step in enumerate(way):
        subject, target = labels[at], labels[at + 1]
        if step.startswith("^"):
            subject, target = target, subject
        path.append(f"{subject} plant:{step.lstrip('^')} {target}")
    return tuple(path)


async def _has_documents(session: AsyncSession, account_id: UUID) -> bool:
    """Return whether any file may be linked, so that the graph need not be loaded for nothing."""
    count, _ = await read_document_mark(session, account_id)
    if count:
        return True
    query = (
        select(PlantEntity.id)
        .where(
            col(PlantEntity.account_id) == account_id,
            col(PlantEntity.kind) == EntityKind.DOCUMENT.value,
            col(PlantEntity.retired_at).is_(None),
            col(PlantEntity.properties).has_key(FILE_PROPERTY),  # type: ignore[attr-defined]
        )
        .limit(1)
    )
    return (await session.scalars(query)).first() is not None
