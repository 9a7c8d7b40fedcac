"""`/v1/outcomes/contracts`: contracts that are paid by effect, from a proposal to their end.

Whoever calls speaks for the customer, by its key. Each answers with one function of billing's.
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

from billing.outcomes.contracts.agreement import Agreement, agree, end
from billing.outcomes.contracts.contract_file import (
    ContractFields,
    read_contract_file,
    read_contract_json,
)
from billing.outcomes.contracts.contracts import find_contract, list_contracts, propose, versions_of
from billing.outcomes.contracts.parties import Party, Side
from billing.outcomes.contracts.terms import OutcomeTerms, OutcomeTermsInvalid
from billing.outcomes.evidence.views import contract_json
from billing.rating.terms import PlanTerms
from billing.tables import OutcomeContract
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.price_book import listed_terms
from gateway.api.idempotency import Key, answered_once
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.wire.body import read_strictly
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog


class Yes(msgspec.Struct):
    """Which version is agreed to, by its number and its hash."""

    version: int
    hash: str


class Ending(msgspec.Struct):
    """From when on; now, unless it says."""

    at: datetime | None = None


_YES = msgspec.json.Decoder(Yes)
_ENDING = msgspec.json.Decoder(Ending)
_PATH = "/v1/outcomes/contracts"
_MOST_BYTES = 256 << 10
# For the OpenAPI document, as those of /v1/subscription.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: ContractFields,
    f"{_PATH}/{{contract}}/agree": Yes,
    f"{_PATH}/{{contract}}/end": Ending,
}


class OutcomeContractRoutes(Controller):
    """A contract is named by its id or its own name."""

    path = _PATH
    request_max_body_size = _MOST_BYTES

    @get("/", summary="The account's contracts, each with its versions")
    async def contracts(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            rows = await list_contracts(session, principal.account_id)
            data = [await _shown(session, clock, one) for one in rows]
        return {"object": "list", "data": data}

    @get("/{contract:str}", summary="A contract: its text, hashes, and who has agreed to what")
    async def contract(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        contract: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await find_contract(session, principal.account_id, contract)
            return await _shown(session, clock, found)

    @post("/", status_code=200, summary="Propose a version, as JSON or application/toml")
    async def propose(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        terms = _terms(request.headers.get("content-type", ""), await request.body())
        listed = listed_terms(catalog, principal.currency)
        change = partial(_propose, clock, principal, terms, listed)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{contract:str}/agree", status_code=200, summary="Agree to a version by its hash")
    async def agree(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
        contract: FromPath[str],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        yes = read_strictly(_YES, await request.body())
        listed = listed_terms(catalog, principal.currency)
        change = partial(_agree, clock, principal, contract, yes, listed)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{contract:str}/end", status_code=200, summary="End the contract, now or later")
    async def end(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        contract: FromPath[str],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        ending = read_strictly(_ENDING, await request.body() or b"{}")
        if ending.at is not None and ending.at.tzinfo is None:
            raise ParameterInvalid("`at` is a time with its offset.", param="at")
        change = partial(_end, clock, principal, contract, ending)
        return await answered_once(database, principal, request, idempotency_key, change)


def customer_of(principal: Principal) -> Party:
    """Who speaks: the customer, by one of its keys."""
    return Party(Side.CUSTOMER, ids.show(KEY_PREFIX, principal.key_id))


async def _propose(
    clock: Clock,
    principal: Principal,
    terms: OutcomeTerms,
    listed: PlanTerms,
    session: AsyncSession,
) -> dict[str, Any]:
    account_id, by = principal.account_id, customer_of(principal)
    await propose(session, clock, account_id, terms, by, listed)
    return await _shown(session, clock, await find_contract(session, account_id, terms.tag))


async def _agree(
    clock: Clock,
    principal: Principal,
    name: str,
    yes: Yes,
    listed: PlanTerms,
    session: AsyncSession,
) -> dict[str, Any]:
    found = await find_contract(session, principal.account_id, name)
    to, by = Agreement(yes.version, yes.hash), customer_of(principal)
    await agree(session, clock, principal.account_id, found.id, to, by, listed)
    return await _shown(session, clock, found)


async def _end(
    clock: Clock, principal: Principal, name: str, ending: Ending, session: AsyncSession
) -> dict[str, Any]:
    found = await find_contract(session, principal.account_id, name)
    by = customer_of(principal)
    await end(session, clock, principal.account_id, found.id, by, ending.at)
    return await _shown(session, clock, found)


async def _shown(session: AsyncSession, clock: Clock, contract: OutcomeContract) -> dict[str, Any]:
    versions = await versions_of(session, contract.account_id, contract.id)
    return contract_json(contract, versions, clock.now())


def _terms(content_type: str, body: bytes) -> OutcomeTerms:
    if content_type.partition(";")[0].strip() != "application/toml":
        return read_contract_json(body)
    try:
        return read_contract_file(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise OutcomeTermsInvalid("The contract cannot be read: it is not UTF-8.") from None
