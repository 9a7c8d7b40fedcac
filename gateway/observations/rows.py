"""Observed results as rows: save, replace, read, delete old ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, func, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import Settlement, Usage
from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.call.tags import VARIANT_TAG, VERSION_TAG
from gateway.observations.pairing import PairedResult, pair, probability_or_none
from gateway.registry.variants import list_live_variants
from gateway.tables import Observation, Variant
from gateway.wire.own_models.observations import ObservedResult
from infra import ids
from infra.clock import Clock
from models.observed.report import Pair

Selected = TypeVar("Selected")

RETENTION = timedelta(days=400)
# Of one account: a row takes about 200 bytes.
MAX_STORED = 200_000
# The inputs of all results of an account: series are long.
MAX_STORED_BYTES = 64 << 20
# Of a model, that are appended to a training file.
MAX_TRAINING_ROWS = 50_000
# Of a version, the newest ones that a report reads.
MAX_REPORTED = 5_000
_ANSWERED = (Settlement.COMPLETE, Settlement.CLIENT_ABORT, Settlement.REPLAYED)


class TooManyObservations(BadRequest):
    """The account has reached the maximum number of stored observed results."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_observations"


@dataclass(frozen=True, slots=True)
class _PredictedCall:
    """A call of an own model: its version, time and number of rows."""

    request_id: UUID
    variant_id: UUID
    at: datetime
    rows: int


async def save_observations(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    results: Sequence[ObservedResult],
    stored: Mapping[tuple[str, int], Mapping[str, Any]],
) -> int:
    """Save observed results of the account's calls, replacing earlier ones of the same rows.

    `stored` are predictions that a shadow deployment kept, by request id and row. Returns the
    number of results. Raises ParameterInvalid naming the first result that belongs to no
    prediction, and TooManyObservations.
    """
    calls = await _find_calls(session, account_id, {one.request_id for one in results})
    rows = []
    for index, one in enumerate(results):
        path = f"observations[{index}]"
        call = _require_call(calls, one, path)
        prediction = one.prediction or stored.get((one.request_id, one.row))
        found = pair(one, prediction, path)
        rows.append(_row(account_id, clock.now(), call, one, found))
    await _require_room(session, account_id, len(rows))
    statement = insert(Observation).values(rows)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in _KEY}
    await session.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=changed))
    return len(rows)


_KEY = ("account_id", "request_id", "row")


async def list_pairs(
    session: AsyncSession, account_id: UUID, variant_id: UUID, since: datetime | None = None
) -> list[Pair]:
    """Return the newest MAX_REPORTED pairs of a version in order of time, of those since a time."""
    query = select(Observation).where(
        col(Observation.account_id) == account_id, col(Observation.variant_id) == variant_id
    )
    if since is not None:
        query = query.where(col(Observation.predicted_at) >= since)
    newest = query.order_by(col(Observation.predicted_at).desc()).limit(MAX_REPORTED)
    rows = list(reversed((await session.scalars(newest)).all()))
    # A model that was trained anew under the name may predict classes where it predicted numbers.
    kind = bool(rows) and rows[-1].predicted_class is None
    return [_pair(row) for row in rows if (row.predicted_class is None) == kind]


async def find_observed(
    session: AsyncSession, account_id: UUID, requests: Sequence[tuple[UUID, int]]
) -> Mapping[tuple[UUID, int], Observation]:
    """Return the observed results of some rows of calls, by request id and row."""
    query = select(Observation).where(
        col(Observation.account_id) == account_id,
        tuple_(col(Observation.request_id), col(Observation.row)).in_(list(requests)),
    )
    return {(row.request_id, row.row): row for row in await session.scalars(query)}


async def delete_old(session: AsyncSession, now: datetime) -> None:
    """Delete the observed results of all accounts that are older than RETENTION."""
    await session.execute(delete(Observation).where(col(Observation.created_at) <= now - RETENTION))


async def list_training_rows(
    session: AsyncSession, account_id: UUID, base: str, name: str, until: datetime
) -> Sequence[Observation]:
    """Return the results of all versions of a model that were reported with inputs, oldest first.

    At most MAX_TRAINING_ROWS, the newest of those that were reported until a time.
    """
    query = (
        _with_inputs(select(Observation), account_id, base, name)
        .where(col(Observation.created_at) <= until)
        .order_by(col(Observation.created_at).desc(), col(Observation.request_id))
        .limit(MAX_TRAINING_ROWS)
    )
    return list(reversed((await session.scalars(query)).all()))


async def has_training_rows(
    session: AsyncSession, account_id: UUID, base: str, name: str, since: datetime
) -> bool:
    """Whether results with inputs were reported for a model after a time."""
    query = _with_inputs(select(Observation.row), account_id, base, name)
    newer = query.where(col(Observation.created_at) > since).limit(1)
    return (await session.scalars(newer)).first() is not None


async def count_of_model(session: AsyncSession, account_id: UUID, base: str, name: str) -> int:
    """Return how many observed results the versions of a model have."""
    query = (
        select(func.count())
        .select_from(Observation)
        .join(Variant, col(Variant.id) == col(Observation.variant_id))
        .where(
            col(Observation.account_id) == account_id,
            col(Variant.base) == base,
            col(Variant.name) == name,
        )
    )
    return (await session.execute(query)).scalar_one()


async def delete_observations(session: AsyncSession, account_id: UUID, request_id: str) -> int:
    """Delete the observed results of a call. Returns how many there were."""
    statement = (
        delete(Observation)
        .where(
            col(Observation.account_id) == account_id,
            col(Observation.request_id) == ids.parse_id(REQUEST_ID_PREFIX, request_id),
        )
        .returning(col(Observation.row))
    )
    return len((await session.execute(statement)).all())


def _with_inputs(
    query: SelectOfScalar[Selected], account_id: UUID, base: str, name: str
) -> SelectOfScalar[Selected]:
    """Return a query restricted to the observed results of a model that have inputs."""
    return query.join(Variant, col(Variant.id) == col(Observation.variant_id)).where(
        col(Observation.account_id) == account_id,
        col(Variant.account_id) == account_id,
        col(Variant.base) == base,
        col(Variant.name) == name,
        col(Observation.inputs).is_not(None),
    )


def _pair(row: Observation) -> Pair:
    """Return a row as a pair."""
    predicted = row.predicted_class if row.predicted_number is None else row.predicted_number
    observed = row.observed_class if row.observed_number is None else row.observed_number
    return Pair(
        "" if predicted is None else predicted,
        "" if observed is None else observed,
        row.predicted_at,
        row.machine,
        row.lower,
        row.upper,
        row.level,
        # Older rows have any number.
        probability_or_none(row.probability),
    )


def _row(
    account_id: UUID, now: datetime, call: _PredictedCall, one: ObservedResult, found: PairedResult
) -> dict[str, Any]:
    """Return the columns of an observed result."""
    is_class = isinstance(found.predicted, str)
    kind, other = ("class", "number") if is_class else ("number", "class")
    return {
        "account_id": account_id,
        "request_id": call.request_id,
        "row": one.row,
        "variant_id": call.variant_id,
        f"predicted_{kind}": found.predicted,
        f"observed_{kind}": found.observed,
        f"predicted_{other}": None,
        f"observed_{other}": None,
        "lower": found.lower,
        "upper": found.upper,
        "level": found.level,
        "probability": found.probability,
        "machine": one.machine,
        "inputs": one.inputs,
        "predicted_at": call.at,
        "created_at": now,
    }


def _require_call(
    calls: Mapping[str, _PredictedCall], one: ObservedResult, path: str
) -> _PredictedCall:
    """Return the call of a result. Raises ParameterInvalid if it has no such row."""
    call = calls.get(one.request_id)
    if call is None:
        raise ParameterInvalid(
            f"`{path}.request_id`: the account has no finished prediction of an own model "
            f"{one.request_id[:60]!r}. Use the `x-request-id` of a response; the model must still "
            "be there.",
            param=f"{path}.request_id",
        )
    if one.row >= call.rows:
        raise ParameterInvalid(f"The call has {call.rows} rows.", param=f"{path}.row")
    return call


async def _find_calls(
    session: AsyncSession, account_id: UUID, request_ids: set[str]
) -> Mapping[str, _PredictedCall]:
    """Return the account's answered calls of own models that exist, by public request id."""
    parsed = {ids.parse_id(REQUEST_ID_PREFIX, text): text for text in request_ids}
    query = select(Usage).where(
        col(Usage.account_id) == account_id,
        col(Usage.request_id).in_([one for one in parsed if one is not None]),
        col(Usage.settlement).in_(_ANSWERED),
        col(Usage.tags).is_not(None),
    )
    variants = await list_live_variants(session, account_id)
    found: dict[str, _PredictedCall] = {}
    for row in await session.scalars(query):
        tags = row.tags or {}
        variant = variants.get(tags.get(VARIANT_TAG, ""))
        version = tags.get(VERSION_TAG, "")
        variant_id = None if variant is None else variant.versions.get(int(version or 0))
        if variant_id is not None:
            call = _PredictedCall(row.request_id, variant_id, row.started_at, row.rows or 0)
            found[parsed[row.request_id]] = call
    return found


async def _require_room(session: AsyncSession, account_id: UUID, more: int) -> None:
    """Raise TooManyObservations if the account would store too many."""
    size = func.coalesce(func.sum(func.pg_column_size(col(Observation.inputs))), 0)
    query = select(func.count(), size).where(col(Observation.account_id) == account_id)
    count, stored_bytes = (await session.execute(query)).one()
    if stored_bytes > MAX_STORED_BYTES:
        raise TooManyObservations(
            f"The inputs of an account's observed results can have {MAX_STORED_BYTES >> 20} MiB. "
            "Send results without `inputs`, or delete those of some calls."
        )
    if count + more > MAX_STORED:
        raise TooManyObservations(
            f"An account can store at most {MAX_STORED:,} observed results. Results are deleted "
            f"after {RETENTION.days} days."
        )
