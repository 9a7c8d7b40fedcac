"""`/v1/plant/readings`: store and read readings of the account's points."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter

from billing.money import nano_text
from gateway.access.authenticator import Authenticator
from gateway.access.credentials import find_credentials
from gateway.access.key_permissions import KeyPermission, require_permission
from gateway.api.audit import RequestAudit
from gateway.api.plant.ingestion import IngestionResult, ReadingIngestion, result_json
from gateway.api.plant.reading_formats import CSV, LINES, ReadingsBody
from gateway.api.plant.reading_queries import (
    MAX_POINTS_PER_SERIES,
    AggregateName,
    ReadingsQuery,
    parse_query,
    read_as_csv,
    read_as_json,
)
from gateway.asgi.log_context import bind_principal
from gateway.call.values import Principal
from gateway.plant.readings.errors import ReadingsPartiallyRefused
from gateway.plant.readings.formats.json_format import ReadingsRequest
from gateway.plant.readings.storage.policies import ReadingPolicy, load_policy, save_policy
from gateway.plant.readings.storage.sources import list_sources
from gateway.tables import PlantReadingSource
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import READINGS, Meter

PATH = "/v1/plant/readings"
MAX_BODY_BYTES = 8 << 20
_TOKEN_SCHEME = "token "  # noqa: S105  # InfluxDB's name of the scheme
_MAX_DAYS = 36_500


class ReadingSettingsRequest(msgspec.Struct):
    """An account's own rules for readings; null is the deployment's."""

    retention_days: Annotated[int, msgspec.Meta(ge=1, le=_MAX_DAYS)] | None = None
    rollup_retention_days: Annotated[int, msgspec.Meta(ge=1, le=_MAX_DAYS)] | None = None
    unknown_tags: Literal["reject", "create"] | None = None


_SETTINGS_DECODER = msgspec.json.Decoder(ReadingSettingsRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    PATH: ReadingsRequest,
    f"{PATH}/settings": ReadingSettingsRequest,
}
_Source = Annotated[
    str | None,
    HeaderParameter(name="X-Maas-Source", description="Name of the source, for its statistics"),
]
_SentAt = Annotated[
    str | None,
    HeaderParameter(name="X-Maas-Sent-At", description="Time by the source's clock when it sent"),
]
_Points = Annotated[
    list[str] | None, QueryParameter(description="Tags or ids (`point_…`), several if repeated")
]
_MaxPoints = Annotated[int, QueryParameter(ge=8, le=MAX_POINTS_PER_SERIES)]


class ReadingRoutes(Controller):
    """Readings of the account's points; those of another account are reported as not found."""

    path = PATH
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=200, summary="Store readings of points")
    async def store(
        self,
        principal: NamedDependency[Principal],
        authenticator: NamedDependency[Authenticator],
        reading_ingestion: NamedDependency[ReadingIngestion],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        source: _Source = None,
        sent_at: _SentAt = None,
        precision: FromQuery[str] = "ns",
    ) -> Response[bytes]:
        """Store readings as JSON, CSV or line protocol, and return how many were stored.

        Wrong readings are reported by their position and do not affect the others.
        """
        await _require_not_suspended(authenticator, find_credentials(request.headers))
        body = await _read(request, clock, source, sent_at, precision)
        result = await reading_ingestion.ingest(principal, body, request.headers)
        return Response(
            msgspec.json.encode(result_json(result)),
            media_type="application/json",
            headers=reading_ingestion.headers(principal, result),
        )

    @get("/", summary="Read readings or aggregates of points")
    async def read(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        point: _Points = None,
        start: Annotated[str | None, QueryParameter(name="from")] = None,
        end: Annotated[str | None, QueryParameter(name="to")] = None,
        max_points: _MaxPoints = MAX_POINTS_PER_SERIES,
        aggregate: Annotated[AggregateName | None, QueryParameter()] = None,
        response_format: FromQuery[Literal["json", "csv"] | None] = None,
    ) -> Response[bytes]:
        """Return at most `max_points` readings a point: first, last, lowest, highest of intervals.

        With `aggregate`, return minimum, maximum, mean, count and last value of each interval.
        `response_format` goes before the header `Accept`, for links.
        """
        query = parse_query(clock, point, start, end, max_points, aggregate)
        accepted = request.headers.get("accept", "")
        if response_format is not None:
            accepted = CSV if response_format == "csv" else ""
        return await _answer(database, principal, query, accepted)

    @get("/sources", summary="List the sources of readings with their clock skew")
    async def sources(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the sources with counts, clock skew and when they were last seen."""
        async with database.transaction() as session:
            rows = await list_sources(session, principal.account_id)
        return {"object": "list", "data": [_source_json(row) for row in rows], "has_more": False}

    @get("/settings", summary="Retrieve the rules for readings")
    async def settings_of(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settings: NamedDependency[Settings],
    ) -> dict[str, Any]:
        """Return the rules that apply: retention, unknown tags and accepted times."""
        async with database.transaction() as session:
            policy = await load_policy(session, settings, principal.account_id)
        return _policy_json(policy, principal)

    @put("/settings", summary="Set the account's rules for readings")
    async def set_settings(
        self,
        audit: NamedDependency[RequestAudit],
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Replace the account's own rules; a field that is left out is the deployment's."""
        body = decode_body_strict(_SETTINGS_DECODER, await request.body())
        async with database.transaction() as session:
            await save_policy(
                session,
                principal.account_id,
                body.retention_days,
                body.rollup_retention_days,
                body.unknown_tags,
            )
            details = msgspec.to_builtins(body)
            await audit.record(session, "plant.readings_settings_changed", "readings", details)
            policy = await load_policy(session, settings, principal.account_id)
        return _policy_json(policy, principal)


class InfluxRoutes(Controller):
    """InfluxDB's write address, for Telegraf and other clients of line protocol."""

    path = f"{PATH}/influx/api/v2/write"
    request_max_body_size = MAX_BODY_BYTES

    @post("/", status_code=204, summary="Store readings as InfluxDB clients write them")
    async def write(
        self,
        authenticator: NamedDependency[Authenticator],
        reading_ingestion: NamedDependency[ReadingIngestion],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        source: _Source = None,
        precision: FromQuery[str] = "ns",
    ) -> None:
        """Store readings as line protocol. Raises ReadingsPartiallyRefused."""
        credentials = _influx_credentials(request)
        record = await authenticator.identify(credentials)
        address = request.client.host if request.client else ""
        principal = authenticator.require_active(record, address)
        require_permission(principal, KeyPermission.READINGS_WRITE)
        authenticator.require_not_suspended(record)
        bind_principal(request, key_id=principal.key_id.hex)
        body = await _read(request, clock, source, None, precision, LINES)
        result = await reading_ingestion.ingest(principal, body, request.headers)
        _require_all_stored(result)


async def _require_not_suspended(authenticator: Authenticator, credentials: str | None) -> None:
    """Raise AccountSuspended if the account may not make metered calls."""
    authenticator.require_not_suspended(await authenticator.identify(credentials))


def _influx_credentials(request: Request[Any, Any, Any]) -> str | None:
    """Return the credentials of an InfluxDB client: `Token …` like `Bearer …`."""
    credentials = find_credentials(request.headers)
    if credentials is not None and credentials.lower().startswith(_TOKEN_SCHEME):
        return f"Bearer {credentials[len(_TOKEN_SCHEME) :]}"
    return credentials


def _require_all_stored(result: IngestionResult) -> None:
    """Raise ReadingsPartiallyRefused if a reading was refused."""
    batch = result.batch
    if batch.refused:
        first = batch.errors[0]
        raise ReadingsPartiallyRefused(
            f"{batch.refused} of {batch.total} readings were refused; the others were stored. "
            f"Reading {first.index}: {first.message}"
        )


async def _read(
    request: Request[Any, Any, Any],
    clock: Clock,
    source: str | None,
    sent_at: str | None,
    precision: str,
    content_type: str | None = None,
) -> ReadingsBody:
    """Return the body of a request with what describes it."""
    received_at = clock.now()
    return ReadingsBody(
        await request.body(),
        content_type or request.headers.get("content-type") or "",
        request.headers.get("content-encoding", ""),
        precision,
        received_at,
        source,
        sent_at,
    )


async def _answer(
    database: Database, principal: Principal, query: ReadingsQuery, accepted: str
) -> Response[bytes]:
    """Return readings as JSON, or as CSV if the client accepts only that."""
    if CSV in accepted:
        content = await read_as_csv(database, principal.account_id, query)
        return Response(content, media_type=CSV)
    content = await read_as_json(database, principal.account_id, query)
    return Response(content, media_type="application/json")


def _policy_json(policy: ReadingPolicy, principal: Principal) -> dict[str, Any]:
    """Return the rules for readings as the API shows them, with the account's price."""
    sold = principal.model_prices.get(READINGS)
    price = None if sold is None else sold.prices.get(Meter.READINGS)
    return {
        "object": "plant.readings.settings",
        "retention_days": policy.retention_days,
        "rollup_retention_days": policy.rollup_retention_days,
        "unknown_tags": policy.unknown_tags,
        "max_age_days": min(policy.max_age_days, policy.retention_days),
        "future_seconds": policy.future_s,
        "price_per_million": None if price is None else nano_text(price * 1_000_000),
        "currency": principal.currency,
    }


def _source_json(row: PlantReadingSource) -> dict[str, Any]:
    """Return a source as the API shows it."""
    return {
        "object": "plant.readings.source",
        "name": row.name,
        "clock_skew_ms": row.clock_skew_ms,
        "accepted": row.accepted,
        "refused": row.refused,
        "last_seen_at": int(row.last_seen_at.timestamp()),
    }
