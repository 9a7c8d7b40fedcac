"""`/v1/outcomes/attesters` and `/v1/outcomes/evidence`: attesters and their signed evidence.

The signature covers the exact bytes of the request body, so the body is stored unchanged.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.contracts import find_contract
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.attesters import (
    PREFIX,
    AttesterNotFound,
    NewAttester,
    accept_attester,
    add_attester,
    list_attesters,
    revoke_attester,
)
from billing.outcomes.evidence.log import (
    MAX_BYTES,
    EvidenceKind,
    EvidenceNotFound,
    EvidenceSubmission,
    append_evidence,
    get_evidence,
    list_evidence,
)
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.signatures import parse_public_key, parse_signature
from billing.outcomes.evidence.views import attester_json, evidence_json
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.outcomes.contracts import customer_of
from gateway.api.pagination import page_json
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_ATTESTERS, _EVIDENCE = "/v1/outcomes/attesters", "/v1/outcomes/evidence"
_MAX_BODY_BYTES = 64 << 10  # of a request about an attester
AttesterHeader = Annotated[
    str, HeaderParameter(name="X-Maas-Attester", description="The attester's id, atst_…")
]
SignatureHeader = Annotated[
    str, HeaderParameter(name="X-Maas-Signature", description="Ed25519's, in base64")
]


class AttesterRequest(msgspec.Struct):
    """An attester to add to a contract, with its public key in PEM or base64."""

    contract: str
    kind: AttesterKind
    name: str
    public_key: str


_DECODER = msgspec.json.Decoder(AttesterRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {_ATTESTERS: AttesterRequest}


class AttesterRoutes(Controller):
    """A contract's attesters: the customer's own, and the operator's sensors that it accepted."""

    path = _ATTESTERS
    request_max_body_size = _MAX_BODY_BYTES

    @get("/", summary="List a contract's attesters, including revoked ones")
    async def attesters(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        contract: FromQuery[str],
    ) -> dict[str, Any]:
        """Return all attesters of a contract, including revoked ones."""
        async with database.transaction() as session:
            contract_row = await find_contract(session, principal.account_id, contract)
            rows = await list_attesters(session, principal.account_id, contract_row.id)
        return {"object": "list", "data": [attester_json(row) for row in rows]}

    @post("/", status_code=200, summary="Add an attester with its public key")
    async def add(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Add an attester to a contract for the customer and return the attester."""
        attester_request = decode_body_strict(_DECODER, await request.body())
        change = partial(_add_attester, clock, principal, attester_request)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post(
        "/{attester:str}/accept", status_code=200, summary="Accept an operator's sensor as attester"
    )
    async def accept(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        attester: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Accept, for the customer, a neutral sensor that the operator added as attester."""
        change = partial(_accept_attester, clock, principal, _parse_attester_id(attester))
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{attester:str}/revoke", status_code=200, summary="Revoke an attester")
    async def revoke(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        attester: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Revoke an attester for the customer and return the attester."""
        change = partial(_revoke_attester, clock, principal, _parse_attester_id(attester))
        return await idempotent_response(database, principal, request, idempotency_key, change)


class EvidenceRoutes(Controller):
    """Signed JSON or CSV, stored unchanged.

    Sending the same evidence twice has no further effect, so no Idempotency-Key is needed.
    """

    path = _EVIDENCE

    @post(
        "/",
        status_code=200,
        request_max_body_size=MAX_BYTES,
        summary="Submit evidence; the body is the signed JSON or CSV",
    )
    async def send(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        contract: FromQuery[str],
        kind: FromQuery[EvidenceKind],
        attester: AttesterHeader,
        signature: SignatureHeader,
    ) -> dict[str, Any]:
        """Store a signed statement as evidence of a contract; return it without its body."""
        signature_bytes = parse_signature(signature)
        submission = EvidenceSubmission(
            _parse_attester_id(attester), kind, await request.body(), signature_bytes
        )
        async with database.transaction() as session:
            contract_row = await find_contract(session, principal.account_id, contract)
            row = await append_evidence(
                session, clock, principal.account_id, contract_row.id, submission
            )
        return evidence_json(row, include_body=False)

    @get("/", summary="List a contract's evidence in order of receipt, without bodies")
    async def evidence(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        contract: FromQuery[str],
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1)] = 0,
    ) -> dict[str, Any]:
        """Return a page of a contract's evidence; `after` is the last position read."""
        async with database.transaction() as session:
            row = await find_contract(session, principal.account_id, contract)
            rows = await list_evidence(
                session, principal.account_id, row.id, limit + 1, after, include_body=False
            )
        return page_json(rows, limit, partial(evidence_json, include_body=False))

    @get("/{evidence:str}", summary="Retrieve evidence with its body")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        evidence: FromPath[str],
    ) -> dict[str, Any]:
        """Return one evidence statement with its body."""
        evidence_id = ids.parse_id(EVIDENCE_PREFIX, evidence)
        if evidence_id is None:
            raise EvidenceNotFound("An evidence id starts with `evd_`.", param="evidence")
        async with database.transaction() as session:
            row = await get_evidence(session, principal.account_id, evidence_id)
        return evidence_json(row, include_body=True)


async def _add_attester(
    clock: Clock, principal: Principal, attester_request: AttesterRequest, session: AsyncSession
) -> dict[str, Any]:
    """Add an attester to a contract as the customer."""
    new_attester = NewAttester(
        attester_request.kind, attester_request.name, parse_public_key(attester_request.public_key)
    )
    contract = await find_contract(session, principal.account_id, attester_request.contract)
    by = customer_of(principal)
    row = await add_attester(session, clock, principal.account_id, contract.id, new_attester, by)
    return attester_json(row)


async def _accept_attester(
    clock: Clock, principal: Principal, attester_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    """Accept the attester as the customer and return the attester as JSON."""
    by = customer_of(principal)
    row = await accept_attester(session, clock, principal.account_id, attester_id, by)
    return attester_json(row)


async def _revoke_attester(
    clock: Clock, principal: Principal, attester_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    """Revoke the attester as the customer and return the attester as JSON."""
    by = customer_of(principal)
    row = await revoke_attester(session, clock, principal.account_id, attester_id, by)
    return attester_json(row)


def _parse_attester_id(text: str) -> UUID:
    """Parse a public attester id. Raises AttesterNotFound if it is malformed."""
    attester_id = ids.parse_id(PREFIX, text)
    if attester_id is None:
        raise AttesterNotFound("An attester id starts with `atst_`.", param="attester")
    return attester_id
