"""`/v1/outcomes`: outcomes that are claimed, and what attesters say of them.

Each answers with one function of billing's. Contracts, attesters and evidence have addresses of
their own (gateway/api/outcomes/contracts.py).
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.claims import claim, confirm, deny, get_outcome
from billing.outcomes.settlement.reversal import reverse
from billing.outcomes.settlement.views import outcome_json, outcomes_page
from billing.tables import Outcome
from gateway.api.idempotency import Key, answered_once
from gateway.api.outcomes.pagination import page_of
from gateway.api.pagination import Limit
from gateway.call.values import Principal
from gateway.operations.outcome_ids import evidence_id, outcome_id
from gateway.wire.body import read_strictly
from infra.clock import Clock
from infra.database.database import Database

_Say = Callable[[AsyncSession, Clock, UUID, UUID, UUID], Awaitable[Outcome]]
# What the address says is done with evidence about an outcome.
_SAYING: Mapping[str, _Say] = {"confirm": confirm, "deny": deny, "reverse": reverse}


class ClaimWish(msgspec.Struct):
    """An outcome of a contract (its tag), as signed evidence claims it (evd_…)."""

    contract: str
    evidence: str


class SayingWish(msgspec.Struct):
    """Signed evidence about an outcome."""

    evidence: str


_CLAIM = msgspec.json.Decoder(ClaimWish)
_SAID = msgspec.json.Decoder(SayingWish)
# For the OpenAPI document: bodies are read by hand, so that a mistake is named by its field.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/outcomes": ClaimWish,
    "/v1/outcomes/{outcome}/confirm": SayingWish,
    "/v1/outcomes/{outcome}/deny": SayingWish,
    "/v1/outcomes/{outcome}/reverse": SayingWish,
}


class OutcomeRoutes(Controller):
    """Outcomes that are claimed."""

    path = "/v1/outcomes"

    @get("/", summary="The account's outcomes, refused ones too, the newest first")
    async def outcomes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = (OUTCOME_PREFIX, after)
        return await page_of(database, principal.account_id, outcomes_page, limit, mark)

    @post("/", status_code=200, summary="Claim an outcome by signed evidence")
    async def claim(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_CLAIM, await request.body())
        change = partial(_claim, clock, principal.account_id, wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @get("/{outcome:str}", summary="An outcome, and how it stands")
    async def outcome(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        outcome: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await get_outcome(session, principal.account_id, outcome_id(outcome))
            return await outcome_json(session, found)

    @post("/{outcome:str}/confirm", status_code=200, summary="Confirm it by signed evidence")
    async def confirm(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = await _saying("confirm", clock, principal, outcome, request)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{outcome:str}/deny", status_code=200, summary="Deny it, before it is confirmed")
    async def deny(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = await _saying("deny", clock, principal, outcome, request)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{outcome:str}/reverse", status_code=200, summary="Take it back: it is no more")
    async def reverse(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = await _saying("reverse", clock, principal, outcome, request)
        return await answered_once(database, principal, request, idempotency_key, change)


async def _claim(
    clock: Clock, account_id: UUID, wish: ClaimWish, session: AsyncSession
) -> dict[str, Any]:
    evidence = evidence_id(wish.evidence)
    return await outcome_json(
        session, await claim(session, clock, account_id, wish.contract, evidence)
    )


async def _saying(
    what: str, clock: Clock, principal: Principal, outcome: str, request: Request[Any, Any, Any]
) -> Callable[[AsyncSession], Awaitable[dict[str, Any]]]:
    wish = read_strictly(_SAID, await request.body())
    place = (principal.account_id, outcome_id(outcome), evidence_id(wish.evidence))

    async def say(session: AsyncSession) -> dict[str, Any]:
        return await outcome_json(session, await _SAYING[what](session, clock, *place))

    return say
