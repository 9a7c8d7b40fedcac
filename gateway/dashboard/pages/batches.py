"""Batch pages: the list of batches, and a batch with progress, cost, problems and downloads."""

from typing import Any, Literal

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.batches import batches
from gateway.batches.runner import BatchRunner
from gateway.batches.views import batch_name
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.page_request import PageRequest
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.registry.files import read_content
from gateway.tables import Batch, BatchStatus
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

BATCHES_URL = "/dashboard/batches"
_PER_PAGE = 20


class BatchPages(Controller):
    """Handlers of `/dashboard/batches`."""

    path = "/batches"

    @get("/", name="dashboard:batches")
    async def list_batches(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's batches, newest first."""
        cursor = None if after is None else ids.parse_id(batches.BATCH_ID_PREFIX, after)
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            rows = await batches.list_batches(session, page.account_id, _PER_PAGE + 1, cursor)
        shown = rows[:_PER_PAGE]
        more = batch_name(shown[-1]) if len(rows) > _PER_PAGE else None
        return page.render(
            "batches.html",
            batches=[(row, batch_name(row)) for row in shown],
            zone=parse_time_zone(profile.time_zone),
            first=BATCHES_URL if after else None,
            more=more and f"{BATCHES_URL}?after={more}",
        )

    @get("/{batch:str}", name="dashboard:batch")
    async def show_batch(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        batch: FromPath[str],
    ) -> Response[str]:
        """Show a batch with its progress, cost and files."""
        async with database.transaction() as session:
            row = await batches.find_batch(session, page.account_id, batch)
            profile = await get_profile(session, page.account_id)
        return page.render(
            "batch.html",
            **_context(row),
            may=page.viewer.has_permission(Permission.CALL),
            may_cancel=row.status == BatchStatus.IN_PROGRESS,
            zone=parse_time_zone(profile.time_zone),
        )

    @get("/{batch:str}/progress", name="dashboard:batch-progress")
    async def show_progress(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        batch: FromPath[str],
    ) -> Response[str]:
        """Return the part of the page with the progress; reload the page at the batch's end."""
        async with database.transaction() as session:
            row = await batches.find_batch(session, page.account_id, batch)
        response = page.render("parts/batch_progress.html", **_context(row))
        if page.is_htmx and BatchStatus(row.status).over:
            response.headers["hx-refresh"] = "true"
        return response

    @get("/{batch:str}/output.jsonl", name="dashboard:batch-output")
    async def download_output(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        batch: FromPath[str],
    ) -> Response[bytes]:
        """Return the responses of a batch as a download."""
        return await _download(page, database, batch, "output")

    @get("/{batch:str}/error.jsonl", name="dashboard:batch-errors")
    async def download_errors(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        batch: FromPath[str],
    ) -> Response[bytes]:
        """Return the lines of a batch that have errors or were not sent as a download."""
        return await _download(page, database, batch, "error")

    @post("/{batch:str}/cancel", permission=Permission.CALL)
    async def cancel(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        batch_runner: NamedDependency[BatchRunner],
        batch: FromPath[str],
    ) -> Response[Any]:
        """Cancel a batch; one that has ended meanwhile is only shown."""
        actor, account_id = page.actor, page.account_id
        async with database.transaction() as session:
            row = await batches.find_batch(session, account_id, batch)
            if row.status == BatchStatus.IN_PROGRESS:
                await batches.cancel_batch(session, clock, account_id, batch)
                await record_audit_event(session, clock, actor, account_id, "batch.canceled", batch)
        batch_runner.wake()
        return page.redirect(f"{BATCHES_URL}/{batch}")


async def _download(
    page: PageRequest, database: Database, batch: str, kind: Literal["output", "error"]
) -> Response[bytes]:
    """Return one of a batch's files as a download. Raises PageNotFound, FileNotFound."""
    async with database.transaction() as session:
        row = await batches.find_batch(session, page.account_id, batch)
        file_id = row.output_file_id if kind == "output" else row.error_file_id
        if file_id is None:
            raise PageNotFound("The batch has no such file.")
        content = await read_content(session, row.account_id, file_id)
    headers = {"content-disposition": f'attachment; filename="{batch_name(row)}_{kind}.jsonl"'}
    return Response(content, media_type="application/jsonl", headers=headers)


def _context(row: Batch) -> dict[str, Any]:
    """Return the template context of a batch."""
    return {
        "batch": row,
        "name": batch_name(row),
        "done": row.completed + row.failed,
        "is_open": not BatchStatus(row.status).over,
    }
