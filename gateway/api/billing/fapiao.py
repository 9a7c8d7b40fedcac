"""`/v1/fapiao`: buyer titles, requests for fapiao, their status and files."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.fapiao.errors import FapiaoNotFound, FapiaoTitleNotFound
from billing.fapiao.files import read_file
from billing.fapiao.funds import CURRENCY, list_invoice_fapiaos, load_requestable
from billing.fapiao.requests import FAPIAO_ID_PREFIX, get_fapiao, list_fapiaos
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import TITLE_ID_PREFIX, list_titles
from billing.fapiao.views import title_to_json
from billing.invoices.lifecycle import get_invoice
from billing.money import minor_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.actors import key_actor
from gateway.api.billing.line_disputes import parse_invoice_id
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, parse_cursor
from gateway.call.values import Principal
from gateway.identity.audit_log import Actor
from gateway.operations.fapiao import (
    add_buyer_title,
    choose_default_title,
    remove_buyer_title,
    request_invoice_fapiao,
    request_other_title,
)
from gateway.operations.fapiao_views import render_fapiao, render_fapiaos
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class TitleRequest(msgspec.Struct):
    """A buyer title. Without `tax_number` it is of a natural person, and `kind` is `ordinary`.

    Address, phone and bank are optional. `email` receives a message when a fapiao is issued.
    """

    name: str
    tax_number: str = ""
    kind: Literal["ordinary", "special"] = "ordinary"
    address: str = ""
    phone: str = ""
    bank_name: str = ""
    bank_account: str = ""
    email: str = ""
    is_default: bool = False


class FapiaoRequest(msgspec.Struct):
    """The invoice (`inv_…`) and the title (`fpt_…`), by default the account's default title."""

    invoice: str
    title: str | None = None


class ReissueRequest(msgspec.Struct):
    """The right title (`fpt_…`), by default the account's default title."""

    title: str | None = None


_PATH, _TITLES = "/v1/fapiao", "/v1/fapiao/titles"
_TITLE_DECODER = msgspec.json.Decoder(TitleRequest)
_REQUEST_DECODER = msgspec.json.Decoder(FapiaoRequest)
_REISSUE_DECODER = msgspec.json.Decoder(ReissueRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: FapiaoRequest,
    _TITLES: TitleRequest,
    f"{_PATH}/{{fapiao}}/reissue": ReissueRequest,
}


class FapiaoTitleRoutes(Controller):
    """The account's buyer titles."""

    path = _TITLES

    @get("/", summary="List buyer titles, the default first")
    async def titles(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the account's buyer titles as JSON."""
        async with database.transaction() as session:
            rows = await list_titles(session, principal.account_id)
        return {"object": "list", "data": list(map(title_to_json, rows)), "has_more": False}

    @post("/", status_code=200, summary="Add a buyer title; the first one becomes the default")
    async def add(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Add a buyer title and return it as JSON."""
        body = decode_body_strict(_TITLE_DECODER, await request.body())
        change = partial(_add_title, clock, key_actor(principal, request), principal, body)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{title:str}/default", status_code=200, summary="Make a buyer title the default")
    async def make_default(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        title: FromPath[str],
    ) -> dict[str, Any]:
        """Make a title the default of requests without a title."""
        actor, title_id = key_actor(principal, request), parse_title_id(title)
        async with database.transaction() as session:
            row = await choose_default_title(session, clock, actor, principal.account_id, title_id)
        return title_to_json(row)

    @delete("/{title:str}", status_code=200, summary="Remove a buyer title; fapiao are not changed")
    async def remove(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        title: FromPath[str],
    ) -> dict[str, Any]:
        """Remove a buyer title."""
        actor, title_id = key_actor(principal, request), parse_title_id(title)
        async with database.transaction() as session:
            await remove_buyer_title(session, clock, actor, principal.account_id, title_id)
        return {"id": title, "object": "fapiao_title.deleted", "deleted": True}


class FapiaoRoutes(Controller):
    """The account's fapiao; amounts are decimal strings in CNY."""

    path = _PATH

    @get("/", summary="List fapiao, newest first")
    async def fapiaos(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's fapiao, newest first."""
        cursor = parse_cursor(FAPIAO_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_fapiaos(session, principal.account_id, limit + 1, cursor)
            data = await render_fapiaos(session, rows[:limit])
        return {"object": "list", "data": data, "has_more": len(rows) > limit}

    @post("/", status_code=200, summary="Request a fapiao over what was paid on an invoice")
    async def request(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Request a fapiao over all that was paid and is on no fapiao yet."""
        body = decode_body_strict(_REQUEST_DECODER, await request.body())
        change = partial(_request_fapiao, clock, key_actor(principal, request), principal, body)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @get("/{fapiao:str}", summary="Retrieve a fapiao with its status, number and lines")
    async def fapiao(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        fapiao: FromPath[str],
    ) -> dict[str, Any]:
        """Return one of the account's fapiao as JSON."""
        async with database.transaction() as session:
            row = await get_fapiao(session, principal.account_id, parse_fapiao_id(fapiao))
            return await render_fapiao(session, row)

    @get(
        "/{fapiao:str}/file",
        summary="Download an issued fapiao as PDF or OFD",
        media_type="application/octet-stream",
    )
    async def file(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        fapiao: FromPath[str],
        format: FromQuery[Literal["pdf", "ofd"]] = "pdf",
    ) -> Response[bytes]:
        """Return the file of an issued fapiao."""
        return await file_response(database, principal.account_id, fapiao, format)

    @post(
        "/{fapiao:str}/reissue",
        status_code=200,
        summary="Request a red letter for a fapiao with a wrong title, then one with the right one",
    )
    async def reissue(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        fapiao: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Request a reissue and return the red letter as JSON."""
        body = decode_body_strict(_REISSUE_DECODER, await request.body() or b"{}")
        fapiao_id, title_id = parse_fapiao_id(fapiao), parse_title_id(body.title)
        actor = key_actor(principal, request)

        async def change(session: AsyncSession) -> dict[str, Any]:
            """Request the reissue in the transaction of the idempotency key."""
            place = (session, clock, actor, principal.account_id, fapiao_id)
            return await render_fapiao(
                session, await request_other_title(*place, _key_name(principal), title_id)
            )

        return await idempotent_response(database, principal, request, idempotency_key, change)


class InvoiceFapiaoRoutes(Controller):
    """The fapiao of one invoice."""

    path = "/v1/invoices/{invoice:str}/fapiao"

    @get("/", summary="List the fapiao of an invoice, and the amount that can be requested")
    async def fapiaos(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
    ) -> dict[str, Any]:
        """Return the fapiao of an invoice, oldest first, and what can still be requested."""
        async with database.transaction() as session:
            row = await get_invoice(session, principal.account_id, parse_invoice_id(invoice))
            rest = await load_requestable(session, row)
            rows = await list_invoice_fapiaos(session, principal.account_id, row.id)
            data = await render_fapiaos(session, rows)
        amount = minor_text(rest, CURRENCY)
        return {"object": "list", "data": data, "has_more": False, "requestable": amount}


def parse_fapiao_id(text: str) -> UUID:
    """Parse the id of a fapiao. Raises FapiaoNotFound."""
    fapiao_id = ids.parse_id(FAPIAO_ID_PREFIX, text)
    if fapiao_id is None:
        raise FapiaoNotFound("The account has no such fapiao.", param="fapiao")
    return fapiao_id


def parse_title_id(text: str | None) -> Any:
    """Parse the id of a buyer title; None stays None. Raises FapiaoTitleNotFound."""
    if text is None:
        return None
    title_id = ids.parse_id(TITLE_ID_PREFIX, text)
    if title_id is None:
        raise FapiaoTitleNotFound("The account has no such buyer title.", param="title")
    return title_id


async def file_response(
    database: Database, account_id: UUID, fapiao: str, wanted: str
) -> Response[bytes]:
    """Return the file of a fapiao as a download. Raises FapiaoNotFound."""
    async with database.transaction() as session:
        file = await read_file(session, account_id, parse_fapiao_id(fapiao), wanted)
    headers = {"content-disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


def _key_name(principal: Principal) -> str:
    """Return the public id of the API key, as the one who requests."""
    return ids.format_id(KEY_PREFIX, principal.key_id)


async def _add_title(
    clock: Clock, actor: Actor, principal: Principal, body: TitleRequest, session: AsyncSession
) -> dict[str, Any]:
    """Add the title of a body."""
    values = msgspec.structs.asdict(body)
    is_default = values.pop("is_default")
    fields = TitleFields(**values)
    row = await add_buyer_title(
        session, clock, actor, principal.account_id, fields, is_default=is_default
    )
    return title_to_json(row)


async def _request_fapiao(
    clock: Clock, actor: Actor, principal: Principal, body: FapiaoRequest, session: AsyncSession
) -> dict[str, Any]:
    """Request the fapiao of a body."""
    invoice_id, title_id = parse_invoice_id(body.invoice), parse_title_id(body.title)
    place = (session, clock, actor, principal.account_id, invoice_id)
    row = await request_invoice_fapiao(*place, _key_name(principal), title_id)
    return await render_fapiao(session, row)
