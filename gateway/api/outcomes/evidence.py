"""`/v1/outcomes/attesters` and `/v1/outcomes/evidence`: whose word counts, and what they said.

Owns the addresses, the bodies' shapes and the headers of evidence, whose body is what was signed,
to the byte. Each answers with one function of billing's.
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
    attesters_of,
    revoke_attester,
)
from billing.outcomes.evidence.log import (
    MOST_BYTES,
    EvidenceKind,
    EvidenceNotFound,
    Said,
    evidence_page,
    get_evidence,
    record,
)
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.signatures import read_public_key, read_signature
from billing.outcomes.evidence.views import attester_json, evidence_json
from gateway.api.idempotency import Key, answered_once
from gateway.api.outcomes.contracts import customer_of
from gateway.api.pagination import shown_page
from gateway.call.values import Principal
from gateway.wire.body import read_strictly
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_ATTESTERS, _EVIDENCE = "/v1/outcomes/attesters", "/v1/outcomes/evidence"
_MOST_BYTES = 64 << 10  # of a body about an attester
Signer = Annotated[
    str, HeaderParameter(name="X-Maas-Attester", description="The attester's id, atst_…")
]
Signature = Annotated[
    str, HeaderParameter(name="X-Maas-Signature", description="Ed25519's, in base64")
]


class AttesterWish(msgspec.Struct):
    """Who is to attest for which contract; the public key in PEM or base64."""

    contract: str
    kind: AttesterKind
    name: str
    public_key: str


_WISH = msgspec.json.Decoder(AttesterWish)
BODIES: Mapping[str, type[msgspec.Struct]] = {_ATTESTERS: AttesterWish}


class AttesterRoutes(Controller):
    """The customer's own systems and people, and sensors that it adds or accepts."""

    path = _ATTESTERS
    request_max_body_size = _MOST_BYTES

    @get("/", summary="A contract's attesters, the revoked ones too")
    async def attesters(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        contract: FromQuery[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await find_contract(session, principal.account_id, contract)
            rows = await attesters_of(session, principal.account_id, found.id)
        return {"object": "list", "data": [attester_json(one) for one in rows]}

    @post("/", status_code=200, summary="Add an attester with its public key")
    async def add(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_WISH, await request.body())
        change = partial(_add, clock, principal, wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{attester:str}/accept", status_code=200, summary="Accept the operator's sensor")
    async def accept(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        attester: FromPath[str],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = partial(_accept, clock, principal, _attester_id(attester))
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{attester:str}/revoke", status_code=200, summary="Hear an attester no more")
    async def revoke(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        attester: FromPath[str],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = partial(_revoke, clock, principal, _attester_id(attester))
        return await answered_once(database, principal, request, idempotency_key, change)


class EvidenceRoutes(Controller):
    """Signed JSON or CSV, kept as it came. The same twice is once, so it needs no key for that."""

    path = _EVIDENCE

    @post(
        "/",
        status_code=200,
        request_max_body_size=MOST_BYTES,
        summary="Send evidence: the body is what was signed, JSON or CSV",
    )
    async def send(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        contract: FromQuery[str],
        kind: FromQuery[EvidenceKind],
        attester: Signer,
        signature: Signature,
    ) -> dict[str, Any]:
        signed = read_signature(signature)
        said = Said(_attester_id(attester), kind, await request.body(), signed)
        async with database.transaction() as session:
            found = await find_contract(session, principal.account_id, contract)
            kept = await record(session, clock, principal.account_id, found.id, said)
        return evidence_json(kept, whole=False)

    @get("/", summary="A contract's evidence in the order of receipt, without its bodies")
    async def evidence(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        contract: FromQuery[str],
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1)] = 0,
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await find_contract(session, principal.account_id, contract)
            place = (principal.account_id, found.id)
            rows = await evidence_page(session, *place, limit + 1, after, whole=False)
        return shown_page(rows, limit, partial(evidence_json, whole=False))

    @get("/{evidence:str}", summary="A piece of evidence with what was said")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        evidence: FromPath[str],
    ) -> dict[str, Any]:
        evidence_id = ids.parse(EVIDENCE_PREFIX, evidence)
        if evidence_id is None:
            raise EvidenceNotFound("The id of evidence begins with `evd_`.", param="evidence")
        async with database.transaction() as session:
            found = await get_evidence(session, principal.account_id, evidence_id)
        return evidence_json(found, whole=True)


async def _add(
    clock: Clock, principal: Principal, wish: AttesterWish, session: AsyncSession
) -> dict[str, Any]:
    new = NewAttester(wish.kind, wish.name, read_public_key(wish.public_key))
    found = await find_contract(session, principal.account_id, wish.contract)
    place, by = (principal.account_id, found.id), customer_of(principal)
    return attester_json(await add_attester(session, clock, *place, new, by))


async def _accept(
    clock: Clock, principal: Principal, attester_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    by = customer_of(principal)
    done = await accept_attester(session, clock, principal.account_id, attester_id, by)
    return attester_json(done)


async def _revoke(
    clock: Clock, principal: Principal, attester_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    by = customer_of(principal)
    done = await revoke_attester(session, clock, principal.account_id, attester_id, by)
    return attester_json(done)


def _attester_id(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise AttesterNotFound("An attester's id begins with `atst_`.", param="attester")
    return found
