"""The pages of fapiao: buyer titles, requests from an invoice, status, downloads, reissue."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from billing.fapiao.errors import (
    FapiaoAlreadyRequested,
    FapiaoNotFound,
    FapiaoNotPossible,
    FapiaoTitleInvalid,
    FapiaoTitleNotFound,
    InvalidFapiaoState,
)
from billing.fapiao.files import list_formats, read_file
from billing.fapiao.funds import CURRENCY, list_invoice_fapiaos, load_requestable
from billing.fapiao.requests import FAPIAO_ID_PREFIX, get_fapiao, list_fapiaos
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import TITLE_ID_PREFIX, list_titles
from billing.fapiao.views import invoice_number
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, InvoiceNotFound, get_invoice
from billing.tables import Fapiao, FapiaoTitle
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.audit_log import Actor
from gateway.identity.roles import Permission
from gateway.operations.fapiao import (
    add_buyer_title,
    choose_default_title,
    remove_buyer_title,
    request_invoice_fapiao,
    request_other_title,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

FAPIAO_URL = "/dashboard/fapiao"
_PER_PAGE = 20
_TITLE_FIELDS = tuple(TitleFields.__slots__)
_PRESERVED_TITLE = PreservedFields(FAPIAO_URL, _TITLE_FIELDS)
_REQUEST_ERRORS = (
    FapiaoNotPossible,
    FapiaoAlreadyRequested,
    FapiaoTitleNotFound,
    InvalidFapiaoState,
)
_TitleChange = Callable[[AsyncSession, Clock, Actor, UUID, UUID], Awaitable[FapiaoTitle]]


@dataclass(frozen=True, slots=True)
class FapiaoRow:
    """A fapiao in a list, with its invoice's number and the formats of its files."""

    row: Fapiao
    name: str
    invoice: str
    invoice_number: str
    formats: tuple[str, ...]


class FapiaoPages(Controller):
    """Handlers of `/dashboard/fapiao`."""

    path = "/fapiao"

    @get("/", name="dashboard:fapiao")
    async def show_fapiao(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's fapiao and its buyer titles."""
        cursor = None if after is None else ids.parse_id(FAPIAO_ID_PREFIX, after)
        return await _render_overview(page, database, restored_form(page), 200, cursor)

    @post("/titles", permission=Permission.PAY, keeps=_PRESERVED_TITLE)
    async def add_title(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Add a buyer title."""
        sent = await read_form_fields(request)
        fields = {name: sent.get(name, "") for name in _TITLE_FIELDS}
        actor, account_id = page.actor, page.account_id
        try:
            async with database.transaction() as session:
                await add_buyer_title(session, clock, actor, account_id, TitleFields(**fields))
        except FapiaoTitleInvalid as error:
            form = with_errors(page, fields, error)
            return await _render_overview(page, database, form, UNPROCESSABLE, None)
        return page.redirect(f"{FAPIAO_URL}#titles")

    @post("/titles/{title:str}/default", permission=Permission.PAY)
    async def make_default(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        title: FromPath[str],
    ) -> Response[Any]:
        """Make a buyer title the default."""
        return await _change_title(page, database, clock, title, choose_default_title)

    @post("/titles/{title:str}/remove", permission=Permission.PAY)
    async def remove(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        title: FromPath[str],
    ) -> Response[Any]:
        """Remove a buyer title."""
        return await _change_title(page, database, clock, title, remove_buyer_title)

    @get("/{fapiao:str}/file", name="dashboard:fapiao-file")
    async def download(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        fapiao: FromPath[str],
        format: FromQuery[str] = "pdf",
    ) -> Response[bytes]:
        """Return the PDF or OFD file of a fapiao."""
        fapiao_id = _parse_id(FAPIAO_ID_PREFIX, fapiao)
        async with database.transaction() as session:
            file = await read_file(session, page.account_id, fapiao_id, format)
        headers = {"content-disposition": f'attachment; filename="{file.name}"'}
        return Response(file.content, media_type=file.media_type, headers=headers)

    @get("/{fapiao:str}/reissue", name="dashboard:fapiao-reissue", permission=Permission.PAY)
    async def show_reissue(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        fapiao: FromPath[str],
    ) -> Response[str]:
        """Show the form to have a fapiao issued again with another title."""
        fapiao_id = _parse_id(FAPIAO_ID_PREFIX, fapiao)
        return await _render_reissue(page, database, fapiao_id, restored_form(page), 200)

    @post("/{fapiao:str}/reissue", permission=Permission.PAY)
    async def reissue(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        fapiao: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Request a red letter, which a fapiao with another title follows."""
        fapiao_id = _parse_id(FAPIAO_ID_PREFIX, fapiao)
        fields = {"title": "", **await read_form_fields(request)}
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, page.account_id, fapiao_id)
                title_id = _parse_id(TITLE_ID_PREFIX, fields["title"])
                await request_other_title(*place, page.viewer.email, title_id)
        except _REQUEST_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render_reissue(page, database, fapiao_id, form, UNPROCESSABLE)
        return page.redirect(FAPIAO_URL)


class InvoiceFapiaoPages(Controller):
    """Handlers of `/dashboard/invoices/{invoice}/fapiao`."""

    path = "/invoices/{invoice:str}/fapiao"

    @get("/", name="dashboard:invoice-fapiao")
    async def show_invoice_fapiao(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        invoice: FromPath[str],
    ) -> Response[str]:
        """Show the fapiao of an invoice, and the form to request one."""
        invoice_id = _parse_id(INVOICE_ID_PREFIX, invoice)
        return await _render_invoice(page, database, invoice_id, restored_form(page), 200)

    @post("/", permission=Permission.PAY)
    async def request_fapiao(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        invoice: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Request a fapiao over what was paid and is on no fapiao yet."""
        invoice_id = _parse_id(INVOICE_ID_PREFIX, invoice)
        fields = {"title": "", **await read_form_fields(request)}
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, page.account_id, invoice_id)
                title_id = _parse_id(TITLE_ID_PREFIX, fields["title"]) if fields["title"] else None
                await request_invoice_fapiao(*place, page.viewer.email, title_id)
        except _REQUEST_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render_invoice(page, database, invoice_id, form, UNPROCESSABLE)
        return page.redirect(f"/dashboard/invoices/{invoice}/fapiao")


async def _change_title(
    page: PageRequest, database: Database, clock: Clock, title: str, change: _TitleChange
) -> Response[Any]:
    """Apply a change to a buyer title and show the titles."""
    title_id = _parse_id(TITLE_ID_PREFIX, title)
    async with database.transaction() as session:
        await change(session, clock, page.actor, page.account_id, title_id)
    return page.redirect(f"{FAPIAO_URL}#titles")


async def _render_overview(
    page: PageRequest, database: Database, form: FormState, status: int, cursor: UUID | None
) -> Response[str]:
    """Render the page with fapiao and titles."""
    async with database.transaction() as session:
        account_id = page.account_id
        rows = await list_fapiaos(session, account_id, _PER_PAGE + 1, cursor)
        shown = await _list_rows(session, account_id, rows[:_PER_PAGE])
        context = await _common_context(session, page)
    more = shown[-1].name if len(rows) > _PER_PAGE else None
    return page.render(
        "fapiao.html",
        status=status,
        rows=shown,
        form=form,
        first=FAPIAO_URL if cursor else None,
        more=more and f"{FAPIAO_URL}?after={more}",
        **context,
    )


async def _render_invoice(
    page: PageRequest, database: Database, invoice_id: UUID, form: FormState, status: int
) -> Response[str]:
    """Render the page of an invoice's fapiao. Raises InvoiceNotFound."""
    async with database.transaction() as session:
        invoice = await get_invoice(session, page.account_id, invoice_id)
        rows = await list_invoice_fapiaos(session, page.account_id, invoice_id)
        shown = await _list_rows(session, page.account_id, rows)
        rest = await load_requestable(session, invoice)
        context = await _common_context(session, page)
    name = ids.format_id(INVOICE_ID_PREFIX, invoice_id)
    return page.render(
        "invoice_fapiao.html",
        status=status,
        rows=shown,
        form=form,
        rest=rest,
        back=f"/dashboard/invoices/{name}",
        **context,
    )


async def _render_reissue(
    page: PageRequest, database: Database, fapiao_id: UUID, form: FormState, status: int
) -> Response[str]:
    """Render the form to have a fapiao issued again. Raises FapiaoNotFound."""
    async with database.transaction() as session:
        row = await get_fapiao(session, page.account_id, fapiao_id)
        context = await _common_context(session, page)
    action = f"{FAPIAO_URL}/{ids.format_id(FAPIAO_ID_PREFIX, fapiao_id)}/reissue"
    return page.render(
        "fapiao_reissue.html", status=status, fapiao=row, form=form, action=action, **context
    )


async def _common_context(session: AsyncSession, page: PageRequest) -> dict[str, Any]:
    """Return what all pages of fapiao show: titles, permission, currency and time zone."""
    profile = await get_profile(session, page.account_id)
    currency = await get_account_currency(session, page.account_id)
    titles = await list_titles(session, page.account_id)
    return {
        "titles": [(title, ids.format_id(TITLE_ID_PREFIX, title.id)) for title in titles],
        "may": page.viewer.has_permission(Permission.PAY),
        "supported": currency == CURRENCY,
        "zone": parse_time_zone(profile.time_zone),
    }


async def _list_rows(session: AsyncSession, account_id: UUID, rows: Any) -> list[FapiaoRow]:
    """Return fapiao for a list."""
    formats = await list_formats(session, account_id, [row.id for row in rows])
    return [
        FapiaoRow(
            row,
            ids.format_id(FAPIAO_ID_PREFIX, row.id),
            ids.format_id(INVOICE_ID_PREFIX, row.invoice_id),
            await invoice_number(session, row),
            formats.get(row.id, ()),
        )
        for row in rows
    ]


def _parse_id(prefix: str, text: str) -> UUID:
    """Parse an id of a page. Raises InvoiceNotFound, FapiaoTitleNotFound or FapiaoNotFound."""
    parsed = ids.parse_id(prefix, text)
    if parsed is not None:
        return parsed
    if prefix == INVOICE_ID_PREFIX:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    if prefix == TITLE_ID_PREFIX:
        raise FapiaoTitleNotFound("The account has no such buyer title.", param="title")
    raise FapiaoNotFound("The account has no such fapiao.", param="fapiao")
