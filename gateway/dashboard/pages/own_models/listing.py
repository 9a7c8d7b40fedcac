"""The list of the account's own models and their training jobs."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.page_request import PageRequest
from gateway.fine_tuning import jobs
from gateway.fine_tuning.views import render_job
from gateway.identity.roles import Permission
from infra import ids
from infra.database.database import Database

MODELS_URL = "/dashboard/models"
_JOBS_PER_PAGE = 20


class OwnModelPages(Controller):
    """Handlers of `/dashboard/models`."""

    path = "/models"

    @get("/", name="dashboard:models")
    async def list_jobs(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's training jobs with their results, newest first."""
        cursor = None if after is None else ids.parse_id(jobs.JOB_ID_PREFIX, after)
        async with database.transaction() as session:
            profile = await get_profile(session, page.account_id)
            rows = await jobs.list_jobs(session, page.account_id, _JOBS_PER_PAGE + 1, cursor)
        shown = rows[:_JOBS_PER_PAGE]
        last = ids.format_id(jobs.JOB_ID_PREFIX, shown[-1].id) if shown else None
        return page.render(
            "own_models.html",
            jobs=[(row, render_job(row)) for row in shown],
            may=page.viewer.has_permission(Permission.CALL),
            zone=parse_time_zone(profile.time_zone),
            first=MODELS_URL if after else None,
            more=f"{MODELS_URL}?after={last}" if len(rows) > _JOBS_PER_PAGE else None,
        )
