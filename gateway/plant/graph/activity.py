"""Read what is recorded outside the plant model: verdicts, decision records, linked documents.

Verdicts and decisions only ever come in addition, so a loaded graph is kept up to date by reading
those since the last time. Ids are in the order of their creation (UUIDv7), but transactions may
commit later: each reading begins some time before the previous one ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, or_, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import DecisionRecord
from gateway.collaboration.decisions import RECORD_PREFIX
from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.values import EntityKind, Node, NodeKind
from gateway.plant.graph.records import (
    DecisionNote,
    LinkedDocument,
    VerdictRecord,
    decision_triples,
    verdict_triples,
)
from gateway.plant.predictions.verdicts import VERDICT
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables import FileStatus, PlantAsset, TrainingFile, VectorStoreFile
from gateway.tables.plant_verdicts import PlantVerdict
from infra import ids

# The newest ones are in the graph.
MAX_VERDICTS, MAX_DECISIONS, MAX_DOCUMENTS = 10_000, 10_000, 10_000
FILE_PROPERTY = "file_id"
# Attributes of a file of a vector store that name nodes: codes, separated by commas.
LINK_ATTRIBUTES = {
    "asset": NodeKind.ASSET,
    "failure_mode": NodeKind.FAILURE_MODE,
    "work_order": NodeKind.WORK_ORDER,
}
_STORE_PREFIX = "vs"
_SELECT_MARK = text("""
    select count(*), coalesce(sum(link_mark), 0) from vector_store_file
    where account_id = :account_id and link_mark is not null
""")
# How long a transaction may be open that stores a verdict.
OVERLAP = timedelta(minutes=2)
_DECODE = msgspec.json.Decoder(dict).decode


@dataclass(frozen=True, slots=True)
class Activity:
    """Verdicts and decisions of an account since an instant."""

    verdicts: tuple[VerdictRecord, ...] = ()
    decisions: tuple[DecisionNote, ...] = ()

    def triples(self) -> Iterator[str]:
        """Yield their triples."""
        yield from chain.from_iterable(verdict_triples(one) for one in self.verdicts)
        yield from chain.from_iterable(decision_triples(one) for one in self.decisions)


async def read_activity(
    session: AsyncSession, account_id: UUID, since: datetime | None = None
) -> Activity:
    """Return an account's newest verdicts and decisions on active assets, since an instant."""
    return Activity(
        await _read_verdicts(session, account_id, since),
        await _read_decisions(session, account_id, since),
    )


async def read_documents(
    session: AsyncSession, account_id: UUID, index: PlantIndex
) -> list[LinkedDocument]:
    """Return the indexed files whose attributes or documents in the plant model link them."""
    by_file: dict[str, list[str]] = {}
    for (kind, code), entity in index.entities.items():
        file = entity.properties.get(FILE_PROPERTY)
        if kind is EntityKind.DOCUMENT and file is not None:
            by_file.setdefault(file.value, []).append(code)
    named = {ids.parse_id(FILE_PREFIX, text) for text in by_file} - {None}
    condition = or_(_has_links(), col(VectorStoreFile.file_id).in_(named))
    query = (
        select(VectorStoreFile, col(TrainingFile.filename))
        .join(TrainingFile, col(TrainingFile.id) == col(VectorStoreFile.file_id))
        .where(
            col(VectorStoreFile.account_id) == account_id,
            col(VectorStoreFile.status) == FileStatus.COMPLETED,
            condition,
        )
        .order_by(col(VectorStoreFile.id).desc())
        .limit(MAX_DOCUMENTS)
    )
    found = []
    for row, filename in await session.execute(query):
        file_id = ids.format_id(FILE_PREFIX, row.file_id)
        store_id = ids.format_id(_STORE_PREFIX, row.vector_store_id)
        about = tuple(node for node in linked_nodes(row.attributes) if index.has(node))
        codes = tuple(by_file.get(file_id, ()))
        if about or codes:
            found.append(LinkedDocument(file_id, filename, store_id, about, codes))
    return found


async def read_document_mark(session: AsyncSession, account_id: UUID) -> tuple[int, int]:
    """Return the count and a checksum of the files with link attributes, to notice changes.

    An index has what the query reads: every query of a graph asks it.
    """
    count, checksum = (await session.execute(_SELECT_MARK, {"account_id": account_id})).one()
    return int(count), int(checksum)


def linked_nodes(attributes: Mapping[str, object]) -> Iterable[Node]:
    """Return the nodes that the attributes of a file name."""
    for name, kind in LINK_ATTRIBUTES.items():
        codes = str(attributes.get(name, "")).split(",")
        yield from (Node(kind, code.strip()) for code in codes if code.strip())


async def _read_verdicts(
    session: AsyncSession, account_id: UUID, since: datetime | None
) -> tuple[VerdictRecord, ...]:
    """Return the newest verdicts on active assets."""
    query = (
        select(PlantVerdict, col(PlantAsset.code))
        .join(PlantAsset, col(PlantAsset.id) == col(PlantVerdict.asset_id))
        .where(
            col(PlantVerdict.account_id) == account_id,
            col(PlantAsset.account_id) == account_id,
            col(PlantAsset.retired_at).is_(None),
        )
        .order_by(col(PlantVerdict.id).desc())
        .limit(MAX_VERDICTS)
    )
    if since is not None:
        query = query.where(col(PlantVerdict.id) >= ids.lowest_id_at(since))
    return tuple(
        VerdictRecord(
            id=ids.format_id(VERDICT, row.id),
            asset=code,
            request_id=ids.format_id(REQUEST_ID_PREFIX, row.request_id),
            model=row.model,
            at=row.at,
            prediction=row.prediction,
            version=row.version,
        )
        for row, code in await session.execute(query)
    )


async def _read_decisions(
    session: AsyncSession, account_id: UUID, since: datetime | None
) -> tuple[DecisionNote, ...]:
    """Return the newest decision records whose subject is the code of an active asset."""
    query = (
        select(DecisionRecord)
        .where(col(DecisionRecord.account_id) == account_id)
        .order_by(col(DecisionRecord.id).desc())
        .limit(MAX_DECISIONS)
    )
    if since is not None:
        query = query.where(col(DecisionRecord.id) >= ids.lowest_id_at(since))
    rows = [(row, _DECODE(row.document)) for row in (await session.scalars(query)).all()]
    subjects = {document.get("subject") for _, document in rows} - {None}
    codes = await _active_codes(session, account_id, subjects)
    return tuple(
        _decision_note(row, document) for row, document in rows if document.get("subject") in codes
    )


def _decision_note(row: DecisionRecord, document: Mapping[str, object]) -> DecisionNote:
    """Return what the graph has of a decision record."""
    basis, probability = document.get("basis"), document.get("probability")
    version = basis.get("version") if isinstance(basis, dict) else None
    return DecisionNote(
        id=ids.format_id(RECORD_PREFIX, row.id),
        asset=str(document["subject"]),
        request_id=ids.format_id(REQUEST_ID_PREFIX, row.request_id),
        model=row.model,
        verdict=row.verdict,
        at=row.created_at,
        version=None if version is None else str(version),
        probability=float(probability) if isinstance(probability, int | float) else None,
    )


async def _active_codes(
    session: AsyncSession, account_id: UUID, codes: Iterable[object]
) -> set[str]:
    """Return those of the codes that active assets have."""
    wanted = [str(code) for code in codes]
    if not wanted:
        return set()
    query = select(PlantAsset.code).where(
        col(PlantAsset.account_id) == account_id,
        col(PlantAsset.retired_at).is_(None),
        col(PlantAsset.code).in_(wanted),
    )
    return set((await session.scalars(query)).all())


def _has_links() -> ColumnElement[bool]:
    """Return the condition that attributes of a file name nodes."""
    attributes = col(VectorStoreFile.attributes)
    return or_(*(attributes.has_key(name) for name in LINK_ATTRIBUTES))  # type: ignore[attr-defined]
