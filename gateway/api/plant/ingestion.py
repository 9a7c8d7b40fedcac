"""Store the readings of a request: parse, find points, admit, store, record usage.

The request is one metered call of the service `plant-readings`: the readings that it stores are its
quantity. Duplicates and refused readings cost nothing. The response is sent once both the readings
and the usage row are durable. If the process stops between the two, a repeated request finds
duplicates, and the intent is settled as unknown usage, so that no reading is billed twice.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.usage import UsageRecord
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.api.plant.reading_formats import ReadingsBody, ReceivedReadings, read_body
from gateway.call.errors import ModelNotPriced
from gateway.call.tags import TAGS_HEADER, parse_tags
from gateway.call.values import (
    AdmittedCall,
    CallResult,
    OutputBounds,
    ParsedRequest,
    Principal,
)
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.endpoints.plant_readings import READINGS as ENDPOINT
from gateway.inference.internal.calls import InternalCalls
from gateway.plant.assets.values import DataType
from gateway.plant.readings.acceptance import (
    AcceptedReadings,
    ReadingPoint,
    accept,
)
from gateway.plant.readings.errors import ReadingsBusy
from gateway.plant.readings.formats.batch import PointKey, ReadingBatch
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.points import (
    count_points,
    create_points,
    find_points,
    is_valid_tag,
)
from gateway.plant.readings.storage.policies import CREATE_POINTS, ReadingPolicy, load_policy
from gateway.plant.readings.storage.sources import MAX_NAME_LENGTH, record_source
from gateway.plant.readings.storage.writing import StoreResult, store_readings
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from infra.telemetry.plant_metrics import ReadingMetrics
from models.catalog import READINGS, Catalog
from models.units import UnitUnknown, unit_conversion

# Requests of one process that parse or store at once: each takes a connection of the pool.
_CONCURRENCY = 2
# Each waiting request holds its body in memory.
_MAX_WAITING = 32
MAX_COST_HEADER = b"x-max-cost"
_NOTHING = StoreResult(0, 0, 0)


@dataclass(frozen=True, slots=True)
class IngestionResult:
    """What became of the readings of a request. `usage` is None if nothing could be stored."""

    received: ReceivedReadings
    source: str
    clock_skew_ms: int | None
    stored: StoreResult
    usage: UsageRecord | None

    @property
    def batch(self) -> ReadingBatch:
        """The readings of the request with their errors."""
        return self.received.batch


class ReadingIngestion:
    """Stores readings of requests; one per gateway process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        catalog: Catalog,
        internal_calls: InternalCalls,
        call_metrics: CallMetrics,
        metrics: ReadingMetrics,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._catalog = catalog
        self._internal_calls = internal_calls
        self._call_metrics = call_metrics
        self._metrics = metrics
        self._semaphore = asyncio.Semaphore(_CONCURRENCY)
        self._requests = 0

    async def ingest(
        self, principal: Principal, body: ReadingsBody, headers: Mapping[str, str]
    ) -> IngestionResult:
        """Store the readings of a body, as many as can be accepted.

        `headers` are the request's, of which X-Maas-Tags and X-Max-Cost count.
        Raises the errors of the body's format, of admission, TooManyReadings, ReadingsBusy,
        DatabaseUnavailable.
        """
        if self._requests >= _CONCURRENCY + _MAX_WAITING:
            raise ReadingsBusy
        self._requests += 1
        try:
            result = await self._ingest(principal, body, headers)
        finally:
            self._requests -= 1
        self._count(result)
        return result

    async def _ingest(
        self, principal: Principal, body: ReadingsBody, headers: Mapping[str, str]
    ) -> IngestionResult:
        """Parse, accept and store the readings of a body, few requests at a time."""
        async with self._semaphore:
            limit = self._settings.readings_per_request
            received = await asyncio.to_thread(read_body, body, limit)
            skew_us = None if received.sent_us is None else self._now_us() - received.sent_us
            result = IngestionResult(
                received,
                _source_name(received, principal),
                None if skew_us is None else round(skew_us / 1000),
                _NOTHING,
                None,
            )
            accepted = await self._accept(principal.account_id, received.batch)
            if accepted.count:
                result = await self._admit_and_store(principal, result, accepted, headers)
            else:
                await self._record_source(principal.account_id, result)
        return result

    def headers(self, principal: Principal, result: IngestionResult) -> dict[str, str]:
        """Return the response headers: cost, balance and rate limits."""
        headers = self._call_metrics.rate_limit_headers(principal)
        if result.usage is not None:
            headers |= self._call_metrics.cost_headers(principal, result.usage)
        return headers

    def _now_us(self) -> int:
        """Return the time in microseconds."""
        return from_datetime(self._clock.now())

    async def _accept(self, account_id: UUID, batch: ReadingBatch) -> AcceptedReadings:
        """Find or create the points of a batch, and return the readings that can be stored."""
        async with self._database.transaction() as session:
            policy = await load_policy(session, self._settings, account_id)
            points = await find_points(session, account_id, batch.groups)
            if policy.unknown_tags == CREATE_POINTS:
                points |= await self._create_unknown(session, account_id, policy, batch, points)
        for key, _group in batch.items():
            if key not in points:
                noun = "id" if key.is_id else "tag"
                text = f"The account has no active point with the {noun} {key.name[:60]!r}."
                batch.refuse_group(key, "point_not_found", text)
        window = policy.window(self._clock.now())
        return await asyncio.to_thread(accept, batch, points, window)

    async def _create_unknown(
        self,
        session: AsyncSession,
        account_id: UUID,
        policy: ReadingPolicy,
        batch: ReadingBatch,
        known: Mapping[PointKey, ReadingPoint],
    ) -> dict[PointKey, ReadingPoint]:
        """Create points for unknown tags as far as the account's limit allows; return them."""
        wanted = {
            key.name: (key.unit, _type_of(group.values))
            for key, group in batch.items()
            if key not in known and not key.is_id and is_valid_tag(key.name) and _is_unit(key.unit)
        }
        if not wanted:
            return {}
        room = policy.max_points - await count_points(session, account_id)
        chosen = dict(list(wanted.items())[: max(0, room)])
        await create_points(session, self._clock, account_id, chosen)
        created = [key for key, _ in batch.items() if not key.is_id and key.name in chosen]
        return await find_points(session, account_id, created)

    async def _admit_and_store(
        self,
        principal: Principal,
        result: IngestionResult,
        accepted: AcceptedReadings,
        headers: Mapping[str, str],
    ) -> IngestionResult:
        """Admit the readings as one call, store them, and wait until the usage row is durable."""
        relevant = {
            name: headers[name.decode()].encode("latin-1")
            for name in (TAGS_HEADER, MAX_COST_HEADER)
            if name.decode() in headers
        }
        call = replace(self._internal_calls.new_call(ids.new_id(), ENDPOINT), headers=relevant)
        stored: list[StoreResult] = []

        async def work(_admitted: AdmittedCall) -> CallResult:
            """Store the readings in one transaction; the stored ones are the call's quantity."""
            async with self._database.transaction() as session:
                done = await store_readings(session, principal.account_id, accepted)
                await self._add_source(session, principal.account_id, replace(result, stored=done))
            stored.append(done)
            return CallResult(
                Settlement.COMPLETE, 200, b"", {}, quantities=Quantities(readings=done.stored)
            )

        request = self._request(accepted.count, parse_tags(relevant))
        usage = await self._internal_calls.execute_recorded(call, principal, request, work)
        return replace(result, stored=stored[0], usage=usage)

    def _request(self, count: int, tags: Mapping[str, str] | None) -> ParsedRequest:
        """Return the request of the service for some readings. Raises ModelNotPriced."""
        service = self._catalog.services.get(READINGS)
        if service is None:
            raise ModelNotPriced(f"This deployment does not sell the service {READINGS!r}.")
        return ParsedRequest(
            model=service.as_model(),
            path=ENDPOINT.path,
            body=b"",
            headers={},
            measure=lambda _body: Quantities(),
            output_bounds=OutputBounds(readings=count),
            tags=tags,
        )

    async def _record_source(self, account_id: UUID, result: IngestionResult) -> None:
        """Record the source of a request that stored nothing."""
        async with self._database.transaction() as session:
            await self._add_source(session, account_id, result)

    async def _add_source(
        self, session: AsyncSession, account_id: UUID, result: IngestionResult
    ) -> None:
        """Add the request to its source."""
        await record_source(
            session,
            self._clock,
            account_id,
            result.source,
            result.clock_skew_ms,
            result.stored.stored + result.stored.duplicates,
            result.batch.refused,
        )

    def _count(self, result: IngestionResult) -> None:
        """Count the readings of a request in the metrics."""
        stored = result.stored
        counts = {
            "new": stored.new,
            "revised": stored.revised,
            "duplicate": stored.duplicates,
            "refused": result.batch.refused,
        }
        for outcome, count in counts.items():
            if count:
                self._metrics.received.labels(result.received.format, outcome).inc(count)


def result_json(result: IngestionResult) -> dict[str, Any]:
    """Return what became of the readings as the API shows it."""
    batch, stored = result.batch, result.stored
    return {
        "object": "plant.readings.result",
        "received": batch.total,
        "stored": stored.stored,
        "revised": stored.revised,
        "duplicates": stored.duplicates,
        "refused": batch.refused,
        "errors": [
            {"index": one.index, "code": one.code, "message": one.message} for one in batch.errors
        ],
        "source": result.source,
        "clock_skew_ms": result.clock_skew_ms,
    }


def _source_name(received: ReceivedReadings, principal: Principal) -> str:
    """Return the name of a request's source, by default that of its API key."""
    name = "".join(sign for sign in received.source or "" if sign.isprintable()).strip()
    return name[:MAX_NAME_LENGTH] or f"key_{principal.key_id.hex}"


def _type_of(values: list[object]) -> DataType:
    """Return the type of a new point by its first value."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, bool):
        return DataType.BOOLEAN
    return DataType.TEXT if isinstance(first, str) else DataType.NUMBER


def _is_unit(unit: str) -> bool:
    """Whether a text is empty or a unit that a point can have."""
    try:
        unit_conversion(unit, unit) if unit else None
    except UnitUnknown:
        return False
    return True
