"""`/v1/outcomes/contracts`: outcome-based contracts, from proposal to termination.

A request acts for the customer, identified by its API key.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.agreement import VersionReference, agree_to_version, end_contract
from billing.outcomes.contracts.contract_file import (
    ContractFields,
    parse_contract_json,
    parse_contract_toml,
)
from billing.outcomes.contracts.contracts import (
    find_contract,
    list_contracts,
    list_versions,
    propose_version,
)
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import OutcomeTerms, OutcomeTermsInvalid
from billing.outcomes.evidence.views import contract_json
from billing.rating.terms import PlanTerms
from billing.tables import OutcomeContract
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.price_book import catalog_price_terms
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog


class AgreementRequest(msgspec.Struct):
    """The contract version to agree to, by its number and hash."""

    version: int
    hash: str


class EndRequest(msgspec.Struct):
    """The time at which the contract ends; now if omitted."""

    at: datetime | None = None


_AGREEMENT_DECODER = msgspec.json.Decoder(AgreementRequest)
_END_DECODER = msgspec.json.Decoder(EndRequest)
_PATH = "/v1/outcomes/contracts"
_MAX_BODY_BYTES = 256 << 10
# For the OpenAPI document, as in gateway/api/billing/subscription.py.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: ContractFields,
    f"{_PATH}/{{contract}}/agree": AgreementRequest,
    f"{_PATH}/{{contract}}/end": EndRequest,
}


class OutcomeContractRoutes(Controller):
    """The account's outcome contracts; `{contract}` is a contract's id or tag."""

    path = _PATH
    request_max_body_size = _MAX_BODY_BYTES

    @get("/", summary="List outcome contracts with their versions")
    async def contracts(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return all outcome contracts of the account, each with its versions."""
        async with database.transaction() as session:
            rows = await list_contracts(session, principal.account_id)
            data = [await _contract_json(session, clock, row) for row in rows]
        return {"object": "list", "data": data}

    @get("/{contract:str}", summary="Retrieve a contract: text, hashes and agreements")
    async def contract(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        contract: FromPath[str],
    ) -> dict[str, Any]:
        """Return one outcome contract with all its versions."""
        async with database.transaction() as session:
            row = await find_contract(session, principal.account_id, contract)
            return await _contract_json(session, clock, row)

    @post("/", status_code=200, summary="Propose a contract version (JSON or application/toml)")
    async def propose(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Propose the terms in the body as a new contract version; return the contract."""
        terms = _parse_terms(request.headers.get("content-type", ""), await request.body())
        listed = catalog_price_terms(catalog, principal.currency)
        change = partial(_propose_version, clock, principal, terms, listed)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post(
        "/{contract:str}/agree", status_code=200, summary="Agree to a contract version by its hash"
    )
    async def agree(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
        contract: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Agree to a contract version for the customer; its hash must match."""
        agreement = decode_body_strict(_AGREEMENT_DECODER, await request.body())
        listed = catalog_price_terms(catalog, principal.currency)
        change = partial(_agree_to_version, clock, principal, contract, agreement, listed)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{contract:str}/end", status_code=200, summary="End a contract now or at a later time")
    async def end(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        contract: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """End a contract for the customer, at `at` or now if the body has no `at`."""
        end_request = decode_body_strict(_END_DECODER, await request.body() or b"{}")
        if end_request.at is not None and end_request.at.tzinfo is None:
            raise ParameterInvalid(
                "`at` must be an ISO 8601 time with an offset, for example "
                "2026-11-01T00:00:00+08:00.",
                param="at",
            )
        change = partial(_end_contract, clock, principal, contract, end_request)
        return await idempotent_response(database, principal, request, idempotency_key, change)


def customer_of(principal: Principal) -> Party:
    """Return the customer as the acting party, identified by the API key."""
    return Party(Side.CUSTOMER, ids.format_id(KEY_PREFIX, principal.key_id))


async def _propose_version(
    clock: Clock,
    principal: Principal,
    terms: OutcomeTerms,
    listed: PlanTerms,
    session: AsyncSession,
) -> dict[str, Any]:
    """Propose the terms as the next version of their contract; `listed` are the list prices."""
    account_id, by = principal.account_id, customer_of(principal)
    await propose_version(session, clock, account_id, terms, by, listed)
    return await _contract_json(session, clock, await find_contract(session, account_id, terms.tag))


async def _agree_to_version(
    clock: Clock,
    principal: Principal,
    name: str,
    agreement: AgreementRequest,
    listed: PlanTerms,
    session: AsyncSession,
) -> dict[str, Any]:
    """Agree to a version as the customer; `listed` are the current list prices."""
    row = await find_contract(session, principal.account_id, name)
    version, by = VersionReference(agreement.version, agreement.hash), customer_of(principal)
    await agree_to_version(session, clock, principal.account_id, row.id, version, by, listed)
    return await _contract_json(session, clock, row)


async def _end_contract(
    clock: Clock, principal: Principal, name: str, end_request: EndRequest, session: AsyncSession
) -> dict[str, Any]:
    """End the contract as the customer, at a time or now."""
    row = await find_contract(session, principal.account_id, name)
    by = customer_of(principal)
    await end_contract(session, clock, principal.account_id, row.id, by, end_request.at)
    return await _contract_json(session, clock, row)


async def _contract_json(
    session: AsyncSession, clock: Clock, contract: OutcomeContract
) -> dict[str, Any]:
    """Return the contract with all its versions as JSON."""
    versions = await list_versions(session, contract.account_id, contract.id)
    return contract_json(contract, versions, clock.now())


def _parse_terms(content_type: str, body: bytes) -> OutcomeTerms:
    """Return the terms of a contract sent as JSON or TOML."""
    if content_type.partition(";")[0].strip() != "application/toml":
        return parse_contract_json(body)
    try:
        return parse_contract_toml(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise OutcomeTermsInvalid("The contract file is not UTF-8.") from None
