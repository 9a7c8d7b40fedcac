"""The page of a training job: progress, result, call, cancellation, acceptance if rejected."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.access.authenticator import Authenticator
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.own_models.acceptance import (
    accept_model,
    actor_name,
    load_candidate,
)
from gateway.dashboard.pages.own_models.listing import MODELS_URL
from gateway.dashboard.training_log import read_log, read_reason
from gateway.drift.counts import MIN_ROWS
from gateway.drift.report import load_drift
from gateway.fine_tuning import jobs
from gateway.fine_tuning.offers import JobOffers
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.fine_tuning.views import render_job
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.registry.variants import find_live_version_of_job
from gateway.tables import Adaptation, AdaptationStatus
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog

_SHOWN_EVENTS = 100


class OwnModelJobPages(Controller):
    """Handlers of `/dashboard/models/jobs/{job}`."""

    path = "/models/jobs/{job:str}"

    @get("/", name="dashboard:model-job")
    async def show_job(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        job: FromPath[str],
    ) -> Response[str]:
        """Show a job."""
        return await _render_job(page, database, clock, catalog, authenticator, job, EMPTY_FORM)

    @post("/accept", permission=Permission.CALL)
    async def accept(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        offers: NamedDependency[JobOffers],
        fine_tuning_runner: NamedDependency[FineTuningRunner],
        job: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Accept the rejected model of a job, billed to the chosen key."""
        fields = await read_form_fields(request)
        try:
            await accept_model(page, database, clock, authenticator, offers, job, fields)
        except jobs.FineTuningJobNotFound as error:
            raise PageNotFound(error.message) from error
        except PageNotFound:
            raise
        except AppError as error:
            form = with_errors(page, fields, error)
            return await _render_job(
                page, database, clock, catalog, authenticator, job, form, UNPROCESSABLE
            )
        fine_tuning_runner.wake()
        return page.redirect(f"{MODELS_URL}/jobs/{job}")

    @get("/progress", name="dashboard:model-job-progress")
    async def show_progress(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        job: FromPath[str],
    ) -> Response[str]:
        """Return the part of the page with the events; reload the page when the job has ended."""
        async with database.transaction() as session:
            context = await _job_context(session, page, job)
        response = page.render("parts/own_model_progress.html", **context)
        if not context["is_open"]:
            response.headers["hx-refresh"] = "true"
        return response

    @post("/cancel", permission=Permission.CALL)
    async def cancel(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        job: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Cancel a job that has not ended."""
        fields, account_id = await read_form_fields(request), page.account_id
        try:
            async with database.transaction() as session:
                row = await jobs.cancel_job(session, clock, account_id, job)
                await record_audit_event(
                    session, clock, page.actor, account_id, "model.canceled", row.name, {}
                )
        except jobs.FineTuningJobNotFound as error:
            raise PageNotFound(error.message) from error
        except jobs.FineTuningJobAlreadyEnded as error:
            form = with_errors(page, fields, error)
            return await _render_job(
                page, database, clock, catalog, authenticator, job, form, UNPROCESSABLE
            )
        return page.redirect(f"{MODELS_URL}/jobs/{job}")


async def _render_job(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    authenticator: Authenticator,
    job: str,
    form: FormState,
    status: int = 200,
) -> Response[str]:
    """Render the page of a job. Raises PageNotFound for another account's job."""
    async with database.transaction() as session:
        profile = await get_profile(session, page.account_id)
        context = await _job_context(session, page, job)
        version = await find_live_version_of_job(session, context["job"])
        drift = (
            None
            if version is None
            else await load_drift(session, page.account_id, version.id, clock.now())
        )
    candidate = await load_candidate(page, database, clock, authenticator, context["job"])
    model = catalog.models.get(context["job"].model)
    return page.render(
        "own_model.html",
        status=status,
        **context,
        adapter=None if model is None else model.adapter,
        drift=drift,
        thresholds=_thresholds(context["job"]),
        min_rows=MIN_ROWS,
        form=form,
        candidate=candidate,
        may=page.viewer.has_permission(Permission.CALL),
        zone=parse_time_zone(profile.time_zone),
    )


def _thresholds(job: Adaptation) -> str:
    """Return the thresholds of the job's decisions as a text; empty without costs."""
    decision = (job.score or {}).get("decision") or {}
    return ", ".join(f"{threshold:.1%}" for threshold in decision.get("thresholds", ()))


async def _job_context(session: AsyncSession, page: PageRequest, job: str) -> dict[str, Any]:
    """Return the template context of a job and its events. Raises PageNotFound."""
    try:
        row: Adaptation = await jobs.find_job(session, page.account_id, job)
    except jobs.FineTuningJobNotFound as error:
        raise PageNotFound(error.message) from error
    events = await jobs.list_events(session, row, _SHOWN_EVENTS, None)
    accepted_by = await actor_name(session, page.account_id, row.accepted_by)
    texts = dashboard_texts(page.language)
    return {
        "job": row,
        "shown": render_job(row),
        "name": job,
        "accepted_by": accepted_by,
        "log": read_log(list(reversed(events)), texts),
        "reason": None if row.error is None else read_reason(row.error["message"], events, texts),
        "is_open": not AdaptationStatus(row.status).over,
    }
