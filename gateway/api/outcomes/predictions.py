"""`/v1/predictions/…`: records of the prediction ledger, its keys, observed events and scores."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.money import PPM
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.alarms import Period, WarningPolicy
from billing.outcomes.predictions.errors import PredictionInvalid
from billing.outcomes.predictions.events import PREFIX as EVENT_PREFIX
from billing.outcomes.predictions.events import NewEvent, list_reports, report_event
from billing.outcomes.predictions.ledger import (
    MAX_BATCH,
    RecordFilter,
    append_predictions,
    get_record,
    list_records,
)
from billing.outcomes.predictions.model_keys import ModelSigner, key_json, list_keys
from billing.outcomes.predictions.score_query import ScoreRequest, score_ledger
from billing.outcomes.predictions.verification import export_ledger, verify_chain
from billing.outcomes.predictions.views import (
    ledger_scores_json,
    record_json,
    report_json,
    verification_json,
)
from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.identity.audit_log import record_audit_event
from gateway.operations.prediction_records import (
    RecordRequest,
    build_prediction,
    parse_prediction_id,
)
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.metrics import Metrics

_PATH = "/v1/predictions"


class RecordsRequest(msgspec.Struct):
    """Up to 100 predictions, recorded in this order: all of them, or none."""

    records: list[RecordRequest]


class EventRequest(msgspec.Struct, kw_only=True):
    """An event that happened, or with `happened` false a predicted one that did not come."""

    business_key: str
    event: str
    subject: str
    happened_at: datetime
    happened: bool = True


_RECORDS_DECODER = msgspec.json.Decoder(RecordsRequest)
_EVENT_DECODER = msgspec.json.Decoder(EventRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_PATH}/records": RecordsRequest,
    f"{_PATH}/events": EventRequest,
}


class PredictionLedgerRoutes(Controller):
    """The account's prediction ledger."""

    path = _PATH

    @post("/records", status_code=200, summary="Append predictions to the ledger")
    async def append(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        metrics: NamedDependency[Metrics],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Record predictions; equal ones are recorded once, and their records returned again.

        Raises PredictionInvalid, PredictionLate, PredictionConflict.
        """
        body = decode_body_strict(_RECORDS_DECODER, await request.body())
        if not 0 < len(body.records) <= MAX_BATCH:
            raise PredictionInvalid(f"Send 1 to {MAX_BATCH} records.", param="records")
        account_id, signer = principal.account_id, ModelSigner(pepper)
        async with database.transaction() as session:
            new = [await build_prediction(session, account_id, one) for one in body.records]
            rows = await append_predictions(session, clock, signer, account_id, new)
            records = [record_json(row) for row in rows]
        for one in new:
            metrics.predictions.records.labels(one.basis.source.value, one.verdict.value).inc()
        return {"object": "list", "data": records}

    @get("/records", summary="List the records of the ledger, newest first")
    async def records(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        subject: FromQuery[str | None] = None,
        event: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        agent: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of records, optionally of one subject, kind of event, model or agent."""
        cursor, wanted = (
            parse_cursor(PREDICTION_PREFIX, after),
            RecordFilter(subject, event, model, agent),
        )
        async with database.transaction() as session:
            rows = await list_records(session, principal.account_id, wanted, limit + 1, cursor)
        return page_json(rows, limit, record_json)

    @get("/records/{record:str}", summary="Retrieve a record of the ledger")
    async def record(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        record: FromPath[str],
    ) -> dict[str, Any]:
        """Return a record with its signed text. Raises PredictionNotFound."""
        record_id = parse_prediction_id(record)
        async with database.transaction() as session:
            return record_json(await get_record(session, principal.account_id, record_id))

    @get("/ledger", summary="Download the ledger with the keys that verify it")
    async def ledger(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        after: FromQuery[int] = 0,
    ) -> Response[bytes]:
        """Return up to 10,000 signed records from position `after` + 1 in the order of the chain.

        `maas predictions verify FILE` verifies the file without a database.
        """
        async with database.transaction() as session:
            file = await export_ledger(session, principal.account_id, max(after, 0))
        return Response(msgspec.json.encode(file), media_type="application/json")

    @get("/verification", summary="Verify the account's ledger")
    async def verification(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Check all signatures and links; return the end of the chain or the first fault."""
        async with database.transaction() as session:
            return verification_json(await verify_chain(session, principal.account_id))

    @get("/keys", summary="List the public keys that sign records")
    async def keys(self, database: NamedDependency[Database]) -> dict[str, Any]:
        """Return the keys of all models as a JWK set, revoked ones included. Needs no API key."""
        async with database.transaction() as session:
            return {"keys": [key_json(one) for one in await list_keys(session)]}

    @post("/events", status_code=200, summary="Report an event that happened or did not come")
    async def report(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Report an event once per business key, for scores.

        A settlement counts signed evidence of the kind `event` instead. Raises PredictionInvalid,
        PredictionConflict.
        """
        body = decode_body_strict(_EVENT_DECODER, await request.body())
        new = NewEvent(**msgspec.structs.asdict(body))
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            row = await report_event(session, clock, principal.account_id, new)
            if row.reported_at == clock.now():
                await record_audit_event(
                    session, clock, actor, principal.account_id, "prediction.event_reported",
                    new.business_key, {"happened": new.happened},
                )  # fmt: skip
            return report_json(row)

    @get("/events", summary="List reported events, newest first")
    async def events(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's reports."""
        cursor = parse_cursor(EVENT_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_reports(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, report_json)

    @get("/scores", summary="Score the records of a kind of event")
    async def scores(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event: FromQuery[str],
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        subject: FromQuery[str | None] = None,
        model: FromQuery[str | None] = None,
        agent: FromQuery[str | None] = None,
        probability: FromQuery[float] = 0.5,
        lead_hours: FromQuery[int] = 0,
        window_hours: FromQuery[int] = 336,
        apart_hours: FromQuery[int] = 72,
    ) -> dict[str, Any]:
        """Return Brier score, calibration, lead time, precision and recall, by model and agent.

        Without `since` and `until`, of the last 180 days. Raises PredictionInvalid.
        """
        policy = _policy(probability, lead_hours, window_hours, apart_hours)
        end = until or clock.now()
        begin = since or end - timedelta(days=180)
        if begin.tzinfo is None or end.tzinfo is None:
            raise PredictionInvalid("since: and until must have an offset.", param="since")
        wanted = ScoreRequest(event, Period(begin, end), subject, model, agent, policy)
        async with database.transaction() as session:
            found = await score_ledger(session, clock, principal.account_id, wanted)
        return ledger_scores_json(wanted, found)


def _policy(
    probability: float, lead_hours: int, window_hours: int, apart_hours: int
) -> WarningPolicy:
    """Return which records are warnings. Raises PredictionInvalid for limits out of range."""
    if not 0 < probability <= 1:
        raise PredictionInvalid("probability: must be between 0 and 1.", param="probability")
    if not 0 <= lead_hours < window_hours <= 17_520 or not 0 <= apart_hours <= 17_520:
        raise PredictionInvalid(
            "window_hours: must be more than lead_hours and at most 17520.", param="window_hours"
        )
    hours = (timedelta(hours=one) for one in (lead_hours, window_hours, apart_hours))
    return WarningPolicy(round(probability * PPM), *hours)
