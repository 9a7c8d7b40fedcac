"""`/v1/outcomes`: claim outcomes, and confirm, deny or reverse them by signed evidence.

Contracts, attesters and evidence have their own endpoints (gateway/api/outcomes/contracts.py).
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

from billing.outcomes.evidence.decision_records import PURPOSE
from billing.outcomes.settlement.claims import PREFIX as OUTCOME_PREFIX
from billing.outcomes.settlement.claims import (
    confirm_outcome,
    deny_outcome,
    get_outcome,
    submit_claim,
)
from billing.outcomes.settlement.reversal import reverse_outcome
from billing.outcomes.settlement.views import outcome_json, outcomes_page
from billing.tables import Outcome
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.outcomes.pagination import list_response
from gateway.api.pagination import PageLimit
from gateway.call.values import Principal
from gateway.operations.outcome_ids import parse_evidence_id, parse_outcome_id
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey

_Transition = Callable[[AsyncSession, Clock, UUID, UUID, UUID], Awaitable[Outcome]]
# The function that applies evidence to an outcome, by the last segment of the path.
_TRANSITIONS: Mapping[str, _Transition] = {
    "confirm": confirm_outcome,
    "deny": deny_outcome,
    "reverse": reverse_outcome,
}


class ClaimRequest(msgspec.Struct):
    """A claimed outcome: the contract's tag and the id of the signed evidence (evd_…)."""

    contract: str
    evidence: str


class OutcomeEvidenceRequest(msgspec.Struct):
    """Signed evidence about an outcome."""

    evidence: str


_CLAIM_DECODER = msgspec.json.Decoder(ClaimRequest)
_EVIDENCE_DECODER = msgspec.json.Decoder(OutcomeEvidenceRequest)
# For the OpenAPI document. Handlers parse bodies themselves, so that errors name the field.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/outcomes": ClaimRequest,
    "/v1/outcomes/{outcome}/confirm": OutcomeEvidenceRequest,
    "/v1/outcomes/{outcome}/deny": OutcomeEvidenceRequest,
    "/v1/outcomes/{outcome}/reverse": OutcomeEvidenceRequest,
}


class OutcomeRoutes(Controller):
    """Claimed outcomes of the account's contracts."""

    path = "/v1/outcomes"

    @get("/", summary="List outcomes including refused ones, newest first")
    async def outcomes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's outcomes, newest first, including refused ones."""
        cursor = (OUTCOME_PREFIX, after)
        return await list_response(database, principal.account_id, outcomes_page, limit, cursor)

    @post("/", status_code=200, summary="Create an outcome from a signed claim")
    async def claim(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create an outcome from the signed claim that the body names, and return it."""
        claim_request = decode_body_strict(_CLAIM_DECODER, await request.body())
        key = SigningKey(pepper, PURPOSE).public_key
        change = partial(_claim_outcome, clock, principal.account_id, claim_request, key)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @get("/{outcome:str}", summary="Retrieve an outcome and its status")
    async def outcome(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        outcome: FromPath[str],
    ) -> dict[str, Any]:
        """Return one outcome with its status."""
        async with database.transaction() as session:
            row = await get_outcome(session, principal.account_id, parse_outcome_id(outcome))
            return await outcome_json(session, row)

    @post(
        "/{outcome:str}/confirm", status_code=200, summary="Confirm an outcome by signed evidence"
    )
    async def confirm(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Confirm an outcome by the evidence that the body names, and return the outcome."""
        change = await _transition("confirm", clock, principal, outcome, request)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{outcome:str}/deny", status_code=200, summary="Deny an outcome that is not confirmed")
    async def deny(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Deny an outcome by the evidence that the body names, and return the outcome."""
        change = await _transition("deny", clock, principal, outcome, request)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{outcome:str}/reverse", status_code=200, summary="Reverse an outcome")
    async def reverse(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        outcome: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Reverse an outcome by the evidence that the body names, and return the outcome."""
        change = await _transition("reverse", clock, principal, outcome, request)
        return await idempotent_response(database, principal, request, idempotency_key, change)


async def _claim_outcome(
    clock: Clock,
    account_id: UUID,
    claim_request: ClaimRequest,
    decision_key: bytes,
    session: AsyncSession,
) -> dict[str, Any]:
    """Claim an outcome by signed evidence."""
    evidence, contract = parse_evidence_id(claim_request.evidence), claim_request.contract
    outcome = await submit_claim(session, clock, account_id, contract, evidence, decision_key)
    return await outcome_json(session, outcome)


async def _transition(
    action: str, clock: Clock, principal: Principal, outcome: str, request: Request[Any, Any, Any]
) -> Callable[[AsyncSession], Awaitable[dict[str, Any]]]:
    """Return the function that confirms, denies or reverses (`action`) an outcome by evidence."""
    evidence_request = decode_body_strict(_EVIDENCE_DECODER, await request.body())
    target_id = parse_outcome_id(outcome)
    proof_id = parse_evidence_id(evidence_request.evidence)

    async def apply(session: AsyncSession) -> dict[str, Any]:
        row = await _TRANSITIONS[action](session, clock, principal.account_id, target_id, proof_id)
        return await outcome_json(session, row)

    return apply
