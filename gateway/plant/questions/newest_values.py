"""Answer what the newest value of a point is: "What is the last value of P-101.VIB?" """

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.plant.assets.units import unit_label
from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.graph.vocabulary import node_iri
from gateway.plant.questions.asked_quantity import (
    AskedQuantity,
    NamedPoint,
    code_prefix,
    fitting_points,
)
from gateway.plant.questions.point_words import asks_newest, candidate_tags, named_tags
from gateway.plant.questions.values import (
    AnswerStatus,
    AskedPoint,
    CitedTriple,
    MissingPoint,
    PlantAnswer,
    Term,
)
from gateway.plant.questions.wording import (
    missing_line,
    newest_line,
    newest_understood,
    no_reading_line,
    several_line,
    unknown_names,
)
from gateway.plant.readings.formats.times import to_datetime
from gateway.plant.readings.quality import GOOD, quality_of
from gateway.plant.readings.storage.queries import read_newest
from gateway.plant.store.node_names import load_names
from gateway.plant.store.parts import is_point_of, parts_of_assets
from gateway.plant.store.revisions import read_revision
from gateway.tables.plant import PlantAsset, PlantPoint
from infra.database.database import Database

MAX_POINTS = 10
_MAX_NAMED = 2_000
_PART = parts_of_assets()
# The assets' own points first, then those of their parts by their distance.
_SELECT_NAMED = (
    select(
        _PART.c.depth, col(PlantPoint.id), col(PlantPoint.tag), col(PlantPoint.name),
        col(PlantPoint.unit), col(PlantPoint.asset_id), col(PlantPoint.concept_scheme),
        col(PlantPoint.concept_id),
    )
    .where(*is_point_of(_PART))
    .order_by(_PART.c.depth, col(PlantPoint.id))
    .limit(_MAX_NAMED)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Value:
    """A point with its newest reading, if it has one; `asset` is the code of its asset."""

    point: AskedPoint
    asset: str
    at: datetime | None = None
    value: float | None = None
    status: int = GOOD


async def find_asked_points(
    database: Database, account_id: UUID, text: str
) -> tuple[AskedPoint, ...]:
    """Return the points whose newest value a question asks for; none if it asks anything else."""
    candidates = candidate_tags(text)
    if not candidates:
        return ()
    query = select(PlantPoint).where(
        col(PlantPoint.account_id) == account_id,
        col(PlantPoint.retired_at).is_(None),
        col(PlantPoint.tag).in_(candidates),
    )
    async with database.transaction() as session:
        rows = {row.tag: row for row in (await session.scalars(query)).all()}
    tags, rest = named_tags(text, rows)
    if not tags or not asks_newest(rest):
        return ()
    return tuple(
        AskedPoint(row.id, row.tag, row.name, row.unit, row.asset_id)
        for row in (rows[tag] for tag in tags[:MAX_POINTS])
    )


async def find_quantity(
    database: Database, account_id: UUID, asked: AskedQuantity, label: str
) -> tuple[tuple[AskedPoint, ...], MissingPoint | None]:
    """Return the points of an asset, or of its parts, that measure a quantity; or what is missing.

    `label` is the name of the asset, or of the assets that the question may mean.
    """
    async with database.transaction() as session:
        points = await _named_points(session, account_id, [one.code for one in asked.assets])
    fit = fitting_points(asked, points)
    if fit.fitting:
        return fit.fitting[:MAX_POINTS], None
    return (), MissingPoint(label, asked.text, fit.similar[:MAX_POINTS])


async def _named_points(
    session: AsyncSession, account_id: UUID, codes: Sequence[str]
) -> list[NamedPoint]:
    """Return the active points of assets by code, and of their parts."""
    assets = select(col(PlantAsset.id)).where(
        col(PlantAsset.account_id) == account_id,
        col(PlantAsset.retired_at).is_(None),
        col(PlantAsset.code).in_(codes),
    )
    ids = list((await session.scalars(assets)).all())
    rows = await session.execute(_SELECT_NAMED, {"account_id": account_id, "asset_ids": ids})
    return [
        NamedPoint(
            AskedPoint(row.id, row.tag, row.name, row.unit, row.asset_id),
            (row.concept_scheme, row.concept_id),
            row.depth,
        )
        for row in rows.all()
    ]


async def has_tags_like(database: Database, account_id: UUID, code: str) -> bool:
    """Return whether an account has a point or an asset whose code begins as this one does."""
    prefix = code_prefix(code)
    if not prefix:
        return False
    async with database.transaction() as session:
        for table, name in ((PlantPoint, col(PlantPoint.tag)), (PlantAsset, col(PlantAsset.code))):
            query = select(col(table.id)).where(
                col(table.account_id) == account_id,
                col(table.retired_at).is_(None),
                name.startswith(prefix, autoescape=True),
            )
            if (await session.scalars(query.limit(1))).first() is not None:
                return True
    return False


def answer_missing(missing: MissingPoint, language: str) -> PlantAnswer:
    """Return that no point measures the quantity, and which points measure a similar one."""
    tags = [one.tag for one in missing.similar]
    text = unknown_names([missing.text], language)
    if missing.asset:
        text = missing_line(missing.asset, missing.text, tags, language)
    return PlantAnswer(
        AnswerStatus.UNKNOWN_NAMES,
        language,
        text,
        unknown=(missing.text,),
        results=tuple({"point": tag} for tag in tags),
        count=len(tags),
    )


async def answer_newest(
    database: Database,
    account_id: UUID,
    points: Sequence[AskedPoint],
    language: str,
    by: str,
    several: str = "",
) -> PlantAnswer:
    """Return the newest values of points, with the triples that say what they belong to.

    `several` is the quantity that the points have in common, if the question did not say which.
    """
    async with database.transaction() as session:
        revision = await read_revision(session, account_id)
        values = await _read(session, account_id, points)
    triples: list[CitedTriple] = []
    lines = [_line(one, triples, language) for one in values]
    text = "\n".join(lines if len(lines) == 1 else [f"- {line}" for line in lines])
    if several and len(lines) > 1:
        text = f"{several_line(several, len(lines), language)}\n{text}"
    has_any = any(one.at is not None for one in values)
    return PlantAnswer(
        AnswerStatus.ANSWERED if has_any else AnswerStatus.NOT_FOUND,
        language,
        text,
        understood=newest_understood([one.tag for one in points], language),
        understood_by=by,
        results=tuple(_result(one) for one in values),
        triples=tuple(triples),
        count=len(values),
        revision=revision,
    )


async def _read(
    session: AsyncSession, account_id: UUID, points: Sequence[AskedPoint]
) -> list[_Value]:
    """Return points with their newest readings and the codes of their assets."""
    newest = await read_newest(session, account_id, [one.id for one in points])
    codes = await load_names(session, account_id, [one.asset_id for one in points])
    values = []
    for point in points:
        asset = "" if point.asset_id is None else codes.get(point.asset_id, "")
        found = newest.get(point.id)
        if found is None:
            values.append(_Value(point, asset))
        else:
            at = to_datetime(found.time_us)
            values.append(_Value(point, asset, at, found.value, found.status))
    return values


def _line(one: _Value, triples: list[CitedTriple], language: str) -> str:
    """Return the line of a point, and add the triples that it rests on."""
    point = Node(NodeKind.POINT, one.point.tag)
    name = one.point.name or one.point.tag
    iri = Term(node_iri(point), is_iri=True, label=name)
    first = len(triples)
    if one.asset:
        asset = Term(node_iri(Node(NodeKind.ASSET, one.asset)), is_iri=True, label=one.asset)
        triples.append(CitedTriple(len(triples) + 1, asset, "plant:hasPoint", iri))
    if one.point.unit:
        unit = Term(one.point.unit, is_iri=False)
        triples.append(CitedTriple(len(triples) + 1, iri, "plant:unit", unit))
    marks = ", ".join(str(number) for number in range(first + 1, len(triples) + 1))
    mark = f" [{marks}]" if marks else ""
    shown = one.point.tag if name == one.point.tag else f"{name} ({one.point.tag})"
    if one.at is None:
        return no_reading_line(shown, language) + mark
    value = "–" if one.value is None else f"{one.value:.6g}"
    text = f"{value} {unit_label(one.point.unit)}".strip()
    time = f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
    quality = "" if one.status == GOOD else quality_of(one.status).value
    return newest_line(shown, text, time, quality, language) + mark


def _result(one: _Value) -> dict[str, str]:
    """Return a point with its newest reading as a result."""
    found = {"point": one.point.tag, "asset": one.asset, "unit": one.point.unit}
    if one.at is not None:
        value = "" if one.value is None else repr(one.value)
        found |= {"value": value, "at": one.at.isoformat(), "quality": quality_of(one.status).value}
    return {name: text for name, text in found.items() if text}
