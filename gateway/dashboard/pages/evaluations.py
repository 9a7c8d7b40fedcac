"""Evaluation pages: the list of runs, and a run with progress, results and CSV export."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.call.errors import ParameterInvalid
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.usage.overview import url_with_query
from gateway.evaluations import results, runs
from gateway.evaluations.csv_export import stream_results_csv
from gateway.evaluations.errors import TooManyEvaluationRuns
from gateway.evaluations.report import RunReport, build_report
from gateway.evaluations.runner import EvaluationRunner
from gateway.evaluations.views import (
    audit_details,
    cost_per_question_nano,
    expected_text,
    models_of,
    result_json,
)
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.tables import EvaluationRun, EvaluationStatus
from gateway.wire.evaluations import parse_max_cost
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

EVALUATIONS_URL = "/dashboard/evaluations"
_RUNS_PER_PAGE, _QUESTIONS_PER_PAGE = 20, 50


class EvaluationPages(Controller):
    """Handlers of `/dashboard/evaluations`."""

    path = "/evaluations"

    @get("/", name="dashboard:evaluations")
    async def list_runs(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the account's evaluation runs, newest first."""
        cursor = None if after is None else ids.parse_id(runs.RUN_ID_PREFIX, after)
        account_id = page.account_id
        async with database.transaction() as session:
            profile = await get_profile(session, account_id)
            rows = await runs.list_runs(session, account_id, _RUNS_PER_PAGE + 1, cursor)
            totals = await results.list_totals(session, account_id, [row.id for row in rows])
        shown = rows[:_RUNS_PER_PAGE]
        more = shown[-1].id if len(rows) > _RUNS_PER_PAGE else None
        return page.render(
            "evaluations.html",
            runs=[(row, run_name(row), totals.get(row.id, ())) for row in shown],
            models_of=models_of,
            may=page.viewer.has_permission(Permission.CALL),
            zone=parse_time_zone(profile.time_zone),
            first=EVALUATIONS_URL if after else None,
            more=more and f"{EVALUATIONS_URL}?after={ids.format_id(runs.RUN_ID_PREFIX, more)}",
        )

    @get("/{run:str}", name="dashboard:evaluation")
    async def show_run(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        run: FromPath[str],
        after: FromQuery[int | None] = None,
        differing: FromQuery[bool] = False,
    ) -> Response[str]:
        """Show a run with its results and questions."""
        return await _render_run(page, database, run, EMPTY_FORM, after, differing)

    @get("/{run:str}/progress", name="dashboard:evaluation-progress")
    async def show_progress(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        run: FromPath[str],
    ) -> Response[str]:
        """Return the part of the page with the progress; reload the page when the run has ended."""
        async with database.transaction() as session:
            row = await runs.find_run(session, page.account_id, run)
            figures = await results.list_figures(session, row)
        context = _run_context(row, build_report(figures, len(models_of(row))))
        response = page.render("parts/evaluation_progress.html", **context)
        if page.is_htmx and EvaluationStatus(row.status).over:
            response.headers["hx-refresh"] = "true"
        return response

    @get("/{run:str}/results.csv", name="dashboard:evaluation-csv")
    async def export_results(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        run: FromPath[str],
        differing: FromQuery[bool] = False,
    ) -> Stream:
        """Stream the questions and answers of a run as CSV."""
        async with database.transaction() as session:
            row = await runs.find_run(session, page.account_id, run)
        headers = {"content-disposition": f'attachment; filename="{run_name(row)}.csv"'}
        content = stream_results_csv(database, row, differing)
        return Stream(content, media_type="text/csv", headers=headers)

    @post("/{run:str}/cancel", permission=Permission.CALL)
    async def cancel_run(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        run: FromPath[str],
    ) -> Response[Any]:
        """Cancel a run; one that has ended meanwhile is only shown."""
        actor, account_id = page.actor, page.account_id
        async with database.transaction() as session:
            row = await runs.find_run(session, account_id, run)
            if not EvaluationStatus(row.status).over:
                await runs.cancel_run(session, clock, account_id, run)
                await record_audit_event(
                    session, clock, actor, account_id, "evaluation.canceled", run
                )
        return page.redirect(f"{EVALUATIONS_URL}/{run}")

    @post("/{run:str}/resume", permission=Permission.CALL)
    async def resume_run(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        evaluation_runner: NamedDependency[EvaluationRunner],
        request: Request[Any, Any, Any],
        run: FromPath[str],
    ) -> Response[Any]:
        """Continue a run that ended before all questions were answered."""
        fields, actor, account_id = await read_form_fields(request), page.actor, page.account_id
        text = fields.get("max_cost", "").strip()
        try:
            max_cost_nano = parse_max_cost(text) if text else None
            async with database.transaction() as session:
                row = await runs.resume_run(session, account_id, run, max_cost_nano)
                details = audit_details(row)
                await record_audit_event(
                    session, clock, actor, account_id, "evaluation.resumed", run, details
                )
        except (ParameterInvalid, TooManyEvaluationRuns) as error:
            form = with_errors(page, fields, error)
            return await _render_run(page, database, run, form, status=UNPROCESSABLE)
        evaluation_runner.wake()
        return page.redirect(f"{EVALUATIONS_URL}/{run}")

    @post("/{run:str}/delete", permission=Permission.CALL)
    async def delete_run(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        run: FromPath[str],
    ) -> Response[Any]:
        """Delete a run that has ended."""
        actor, account_id = page.actor, page.account_id
        async with database.transaction() as session:
            await runs.delete_run(session, account_id, run)
            await record_audit_event(session, clock, actor, account_id, "evaluation.deleted", run)
        return page.redirect(EVALUATIONS_URL)


def run_name(row: EvaluationRun) -> str:
    """Return the public id of a run."""
    return ids.format_id(runs.RUN_ID_PREFIX, row.id)


def run_url(run: str, differing: bool = False, after: int | None = None) -> str:
    """Return the URL of a run's page, with the filter and the position after which it begins."""
    query = {
        "differing": "true" if differing else None,
        "after": None if after is None else str(after),
    }
    return url_with_query(f"{EVALUATIONS_URL}/{run}", query)


async def _render_run(
    page: PageRequest,
    database: Database,
    run: str,
    form: FormState,
    after: int | None = None,
    differing: bool = False,
    status: int = 200,
) -> Response[str]:
    """Render the page of a run: results, questions, and the form to continue it."""
    async with database.transaction() as session:
        row = await runs.find_run(session, page.account_id, run)
        profile = await get_profile(session, page.account_id)
        figures = await results.list_figures(session, row)
        rows = await results.list_results(session, row, _QUESTIONS_PER_PAGE + 1, after, differing)
    shown = rows[:_QUESTIONS_PER_PAGE]
    last = shown[-1].question.position if len(rows) > _QUESTIONS_PER_PAGE else None
    filters = {"differing": "true" if differing else None}
    return page.render(
        "evaluation.html",
        status=status,
        **_run_context(row, build_report(figures, len(models_of(row)))),
        expected_text=expected_text,
        items=[(result_json(row, result), result.answers) for result in shown],
        may=page.viewer.has_permission(Permission.CALL),
        zone=parse_time_zone(profile.time_zone),
        form=form,
        here=run_url(run, differing=differing),
        first=run_url(run, differing=differing) if after is not None else None,
        more=None if last is None else run_url(run, differing=differing, after=last),
        csv=url_with_query(f"{EVALUATIONS_URL}/{run}/results.csv", filters),
    )


def _run_context(row: EvaluationRun, report: RunReport) -> dict[str, Any]:
    """Return the template context of a run and its report."""
    return {
        "run": row,
        "name": run_name(row),
        "models": models_of(row),
        "report": report,
        "total": row.questions * len(models_of(row)),
        "is_open": not EvaluationStatus(row.status).over,
        "each": cost_per_question_nano,
    }
