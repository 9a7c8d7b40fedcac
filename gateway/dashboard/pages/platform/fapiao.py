"""The operator's page of fapiao: open requests, batches, result lists, files, rejection."""

import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zipfile import ZipFile

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.entities import LegalEntityNotFound
from billing.fapiao.batch_file import BatchFileProvider
from billing.fapiao.errors import (
    FapiaoFileInvalid,
    FapiaoNotFound,
    InvalidFapiaoState,
    NothingToIssue,
)
from billing.fapiao.files import MAX_FILE_BYTES
from billing.fapiao.issuing import ImportReport, list_open_fapiaos
from billing.fapiao.layout import load_layout
from billing.fapiao.provider import ProviderFile
from billing.fapiao.red_letters import request_due_red_letters
from billing.fapiao.requests import FAPIAO_ID_PREFIX
from billing.fapiao.result_file import MAX_RESULT_BYTES
from billing.tables import Account, Fapiao
from gateway.dashboard.forms import (
    EMPTY_FORM,
    NO_UPLOAD,
    FormState,
    read_form_fields,
    read_upload,
    restored_form,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.accounts import ReasonMissing, validate_reason
from gateway.operations.fapiao import (
    attach_file,
    export_requested,
    find_any_fapiao,
    import_results,
    reject_request,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/fapiao"
_FORM_OVERHEAD_BYTES = 64 << 10
_REASON = PreservedFields(_URL + "/{fapiao}/reject", ("reason",))


class PlatformFapiaoPages(Controller):
    """Handlers of `/dashboard/platform/fapiao`."""

    path = "/platform/fapiao"

    @get("/", name="platform:fapiao", permission=Permission.WATCH)
    async def show_open(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        stored: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show open fapiao of all accounts."""
        return await _render(page, database, EMPTY_FORM, stored=stored)

    @post("/export", permission=Permission.OPERATE)
    async def export(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Export the requested fapiao of a seller; the download is a ZIP of workbooks."""
        fields = {"seller": "", **await read_form_fields(request)}
        provider, seller = BatchFileProvider(load_layout()), fields["seller"].strip() or None
        await request_due_red_letters(database, clock)
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, provider, page.viewer.email)
                done = await export_requested(*place, seller)
        except (NothingToIssue, LegalEntityNotFound) as error:
            return await _render(page, database, with_errors(page, fields, error), UNPROCESSABLE)
        name = ids.format_id("batch", done.batch.id)
        headers = {"content-disposition": f'attachment; filename="fapiao_{name}.zip"'}
        return Response(_zip(done.files), media_type="application/zip", headers=headers)

    @post(
        "/results",
        permission=Permission.OPERATE,
        request_max_body_size=MAX_RESULT_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def import_list(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Record the results of an uploaded list, and show what was recorded."""
        upload = await read_upload(request) or NO_UPLOAD
        file = ProviderFile(upload.filename, upload.content)
        provider = BatchFileProvider(load_layout(), result=file)
        try:
            async with database.transaction() as session:
                report = await import_results(session, clock, page.actor, provider)
        except FapiaoFileInvalid as error:
            return await _render(page, database, with_errors(page, {}, error), UNPROCESSABLE)
        return await _render(page, database, EMPTY_FORM, report=report)

    @post(
        "/files",
        permission=Permission.OPERATE,
        request_max_body_size=MAX_FILE_BYTES + _FORM_OVERHEAD_BYTES,
    )
    async def store(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store the file of the fapiao that the file's name contains the number of."""
        upload = await read_upload(request) or NO_UPLOAD
        try:
            async with database.transaction() as session:
                row = await find_any_fapiao(session, upload.filename.rpartition(".")[0])
                await attach_file(session, clock, page.actor, row, upload.content)
        except (FapiaoNotFound, FapiaoFileInvalid, InvalidFapiaoState) as error:
            return await _render(page, database, with_errors(page, {}, error), UNPROCESSABLE)
        return page.redirect(f"{_URL}?stored={row.serial}")

    @get("/{fapiao:str}/reject", name="platform:fapiao-reject", permission=Permission.OPERATE)
    async def show_rejection(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        fapiao: FromPath[str],
    ) -> Response[str]:
        """Show the form to reject a fapiao."""
        async with database.transaction() as session:
            row = await _find(session, fapiao)
        return _render_rejection(page, row, restored_form(page), 200)

    @post("/{fapiao:str}/reject", permission=Permission.OPERATE, keeps=_REASON)
    async def reject(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        fapiao: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Reject a fapiao that was not issued."""
        fields = {"reason": "", **await read_form_fields(request)}
        async with database.transaction() as session:
            row = await _find(session, fapiao)
        try:
            reason = validate_reason(fields["reason"])
            async with database.transaction() as session:
                await reject_request(session, clock, page.actor, row, reason)
        except (ReasonMissing, InvalidFapiaoState) as error:
            return _render_rejection(page, row, with_errors(page, fields, error), UNPROCESSABLE)
        return page.redirect(_URL)


async def _find(session: AsyncSession, fapiao: str) -> Fapiao:
    """Return a fapiao of any account by its id. Raises PageNotFound, FapiaoNotFound."""
    parse_id_or_404(FAPIAO_ID_PREFIX, fapiao)
    return await find_any_fapiao(session, fapiao)


def _render_rejection(
    page: PageRequest, row: Fapiao, form: FormState, status: int
) -> Response[str]:
    """Render the form to reject a fapiao."""
    action = f"{_URL}/{ids.format_id(FAPIAO_ID_PREFIX, row.id)}/reject"
    values = {"row": row, "form": form, "action": action}
    return page.render("platform/fapiao_reject.html", status=status, **values)


async def _render(
    page: PageRequest,
    database: Database,
    form: FormState,
    status: int = 200,
    report: ImportReport | None = None,
    stored: str | None = None,
) -> Response[str]:
    """Render the page of open fapiao."""
    async with database.transaction() as session:
        open_rows = await list_open_fapiaos(session)
        query = select(Account.id, Account.name)
        wanted = {row.account_id for row in open_rows}
        accounts = (await session.execute(query.where(col(Account.id).in_(wanted)))).all()
    names: dict[UUID, str] = {account.id: account.name for account in accounts}
    return page.render(
        "platform/fapiao.html",
        status=status,
        rows=[
            (row, names[row.account_id], ids.format_id(FAPIAO_ID_PREFIX, row.id))
            for row in open_rows
        ],
        form=form,
        report=report,
        stored=stored,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
    )


def _zip(files: Sequence[ProviderFile]) -> bytes:
    """Return a ZIP of files."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as package:
        for file in files:
            package.writestr(file.name, file.content)
    return stream.getvalue()
