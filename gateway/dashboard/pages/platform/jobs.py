"""Jobs: the work that falls due by itself: what waits, runs and failed."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.job_queue import failed_jobs, running_workers, task_states
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import fields_of
from gateway.dashboard.page_request import Viewing, place_of
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.identity.audit_log import Actor
from gateway.identity.roles import Permission
from gateway.operations.accounts import rerun_job
from infra.clock import Clock
from infra.database.database import Database

_FAILED = 50
_LARGEST = 2**63


class JobPages(Controller):
    """`/dashboard/platform/jobs`."""

    path = "/platform/jobs"

    @get("/", name="platform:jobs", permission=Permission.WATCH)
    async def jobs(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        async with database.transaction() as session:
            states = await task_states(session)
            failed = await failed_jobs(session, _FAILED)
            workers = await running_workers(session)
        return viewing.page(
            "platform/jobs.html",
            states=states,
            failed=failed,
            workers=workers,
            operates=viewing.viewer.may(Permission.OPERATE),
            zone=platform_zone(),
            now=clock.now(),
        )

    @post("/retry", permission=Permission.OPERATE)
    async def again(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        by = Actor.of(viewing.viewer, place_of(request).address)
        job_id = _number((await fields_of(request)).get("id", ""))
        async with database.transaction() as session:
            await rerun_job(session, clock, by, job_id)
        return viewing.go("/dashboard/platform/jobs")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 20 or int(text) >= _LARGEST:
        raise PageNotFound("There is no such job.")
    return int(text)
