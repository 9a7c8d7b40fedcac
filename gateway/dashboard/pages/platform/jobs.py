"""The page of background jobs: waiting, running and failed ones, and retrying."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.job_queue import count_running_workers, list_failed_jobs, list_task_states
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.roles import Permission
from gateway.operations.accounts import retry_failed_job
from infra.clock import Clock
from infra.database.database import Database

_MAX_FAILED_JOBS = 50
_JOB_ID_LIMIT = 2**63


class JobPages(Controller):
    """Handlers of `/dashboard/platform/jobs`."""

    path = "/platform/jobs"

    @get("/", name="platform:jobs", permission=Permission.WATCH)
    async def list_jobs(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show background jobs and their last runs."""
        async with database.transaction() as session:
            states = await list_task_states(session)
            failed = await list_failed_jobs(session, _MAX_FAILED_JOBS)
            workers = await count_running_workers(session)
        return page.render(
            "platform/jobs.html",
            states=states,
            failed=failed,
            workers=workers,
            operates=page.viewer.has_permission(Permission.OPERATE),
            zone=platform_zone(),
            now=clock.now(),
        )

    @post("/retry", permission=Permission.OPERATE)
    async def retry_job(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Queue a failed job again."""
        actor = page.actor
        job_id = _parse_job_id((await read_form_fields(request)).get("id", ""))
        async with database.transaction() as session:
            await retry_failed_job(session, clock, actor, job_id)
        return page.redirect("/dashboard/platform/jobs")


def _parse_job_id(text: str) -> int:
    """Parse a job id, a 64-bit integer. Raises PageNotFound."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 20 or int(text) >= _JOB_ID_LIMIT:
        raise PageNotFound("Job not found.")
    return int(text)
