"""Pages of the prediction ledger: scores and records of a kind of event, and one record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from billing.money import PPM
from billing.outcomes.evidence.statements import PREDICTION_PREFIX
from billing.outcomes.predictions.alarms import Period
from billing.outcomes.predictions.ledger import (
    RecordFilter,
    get_chain,
    get_record,
    list_chain,
    list_records,
)
from billing.outcomes.predictions.model_keys import list_keys
from billing.outcomes.predictions.score_query import (
    ScoreRequest,
    list_event_kinds,
    score_ledger,
)
from billing.outcomes.predictions.tokens import GENESIS, is_signed_by, parse_record
from billing.outcomes.predictions.verification import export_ledger, verify_chain
from billing.outcomes.predictions.views import record_json
from billing.tables import PredictionKey, PredictionRecord
from gateway.agents.store.names import agent_names
from gateway.dashboard.page_request import PageRequest
from gateway.operations.prediction_records import parse_prediction_id
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PER_PAGE = 50
_MAX_EVENTS = 100
_DAYS = (30, 90, 180, 365)
_DEFAULT_DAYS = 180


@dataclass(frozen=True, slots=True)
class RecordChecks:
    """What the page verified of a record: its signature, the link to the one before, its key."""

    signed: bool
    linked: bool
    revoked: bool


class PredictionLedgerPages(Controller):
    """Handlers of `/dashboard/predictions`."""

    path = "/predictions"

    @get("/", name="dashboard:predictions")
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        event: FromQuery[str] = "",
        subject: FromQuery[str] = "",
        days: FromQuery[int] = _DEFAULT_DAYS,
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the scores and records of a kind of event, by default the first one."""
        account_id, now = page.account_id, clock.now()
        span = days if days in _DAYS else _DEFAULT_DAYS
        cursor = None if after is None else ids.parse_id(PREDICTION_PREFIX, after)
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            kinds = await list_event_kinds(session, account_id)
            chosen = event if event in kinds else (kinds[0] if kinds else "")
            wanted = RecordFilter(subject.strip()[:200] or None, chosen or None)
            rows = await list_records(session, account_id, wanted, _PER_PAGE + 1, cursor)
            scores = None
            if chosen:
                period = Period(now - timedelta(days=span), now)
                request = ScoreRequest(chosen, period, wanted.subject)
                scores = await score_ledger(session, clock, account_id, request)
            forecasters = () if scores is None else scores.by_forecaster
            agents = await agent_names(session, account_id, (one.agent for one in forecasters))
            chain = await get_chain(session, account_id)
        return page.render(
            "predictions.html",
            kinds=kinds,
            kind_choices=[(kind, kind) for kind in kinds],
            chosen=chosen,
            subject=subject,
            days=span,
            day_choices=_DAYS,
            scores=scores,
            events=[] if scores is None else scores.events[:_MAX_EVENTS],
            forecasters=forecasters,
            agents=agents,
            records=[record_json(row) for row in rows[:_PER_PAGE]],
            times={ids.format_id(PREDICTION_PREFIX, row.id): row for row in rows},
            more=_next_page(rows, chosen, subject, span),
            is_first=after is None,
            chain=chain,
            zone=parse_time_zone(profile.time_zone),
            percent=_percent,
        )

    @get("/records/{record:str}", name="dashboard:prediction")
    async def show_record(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        record: FromPath[str],
    ) -> Response[str]:
        """Show a record with its basis, and check its signature and its link to the one before."""
        account_id = page.account_id
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            row = await get_record(session, account_id, parse_prediction_id(record))
            before = await list_chain(session, account_id, row.position - 2, 1)
            keys = await list_keys(session, [row.kid])
        return page.render(
            "prediction.html",
            row=row,
            record=record_json(row),
            checks=_check(row, before, keys),
            zone=parse_time_zone(profile.time_zone),
            percent=_percent,
        )

    @get("/ledger.json", name="dashboard:prediction-ledger")
    async def download(
        self, page: NamedDependency[PageRequest], database: NamedDependency[Database]
    ) -> Response[bytes]:
        """Return the signed ledger with its keys, for verification without a database."""
        async with database.transaction() as session:
            file = await export_ledger(session, page.account_id)
        headers = {"content-disposition": 'attachment; filename="prediction-ledger.json"'}
        return Response(msgspec.json.encode(file), media_type="application/json", headers=headers)

    @get("/verification", name="dashboard:prediction-verification")
    async def verify(
        self, page: NamedDependency[PageRequest], database: NamedDependency[Database]
    ) -> Response[str]:
        """Verify the whole ledger, and show its end or the first fault."""
        async with database.transaction() as session:
            state = await verify_chain(session, page.account_id)
        return page.render("prediction_verification.html", state=state)


def _check(
    row: PredictionRecord, before: Sequence[PredictionRecord], keys: Sequence[PredictionKey]
) -> RecordChecks:
    """Check a record's signature by its key, and that it names the digest of the one before."""
    parsed = parse_record(row.token)
    previous = GENESIS if row.position == 1 else before[0].digest.hex()
    key = keys[0] if keys else None
    return RecordChecks(
        signed=key is not None and is_signed_by(parsed, key.public_key),
        linked=parsed.payload.previous == previous and row.digest.hex() == parsed.digest,
        revoked=_is_revoked(key, row.recorded_at),
    )


def _is_revoked(key: PredictionKey | None, at: datetime) -> bool:
    """Return whether a key was invalid when a record was made."""
    return key is not None and key.invalid_from is not None and at >= key.invalid_from


def _next_page(
    rows: Sequence[PredictionRecord], event: str, subject: str, days: int
) -> dict[str, Any] | None:
    """Return the query of the next page of records, None on the last one."""
    if len(rows) <= _PER_PAGE:
        return None
    after = ids.format_id(PREDICTION_PREFIX, rows[_PER_PAGE - 1].id)
    return {"event": event, "subject": subject, "days": days, "after": after}


def _percent(ppm: int | None) -> float | None:
    """Return a ratio in ppm as a percentage, None for None."""
    return None if ppm is None else round(ppm * 100 / PPM, 1)
