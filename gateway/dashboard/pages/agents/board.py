"""The task board of an account: teams with their budgets, open and finished tasks, one task."""

from collections.abc import Sequence
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import TASK, TEAM, read_content
from gateway.agents.board.errors import AgentTaskAnswerInvalid, AgentTaskClosed
from gateway.agents.board.holds import team_held_nano
from gateway.agents.board.tasks import (
    TaskAnswer,
    answer_task,
    cancel_task,
    find_task,
    list_case,
    list_events,
    list_tasks,
)
from gateway.agents.board.teams import find_team, list_teams
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.board_views import (
    BOARD_URL,
    BoardNames,
    TeamView,
    load_board_names,
    task_url,
    task_view,
    team_view,
)
from gateway.dashboard.pages.agents.common import (
    AgentPage,
    load_account,
    load_names,
    provide_agents,
)
from gateway.identity.roles import Permission
from gateway.tables.agents_board import OPEN_STATUSES, AgentTask
from infra import ids
from infra.errors import AppError

_PER_PAGE, _MAX_TEAMS = 30, 200


class AgentBoardPages(Controller):
    """Handlers of `/dashboard/agents/board`."""

    path = "/agents/board"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:agent-board")
    async def show_board(
        self,
        agents: NamedDependency[AgentPage],
        team: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the teams, and the tasks of one team or of all, the newest first."""
        account_id = agents.page.account_id
        cursor = None if after is None else ids.parse_id(TASK, after)
        async with agents.database.transaction() as session:
            of_team = await find_team(session, account_id, team) if team else None
            team_id = None if of_team is None else of_team.id
            rows = await list_tasks(session, account_id, _PER_PAGE + 1, cursor, team_id)
            shown = rows[:_PER_PAGE]
            names = await load_board_names(session, account_id, shown)
            zone, currency = await load_account(session, account_id)
            teams = await _load_teams(session, agents)
        query = f"team={team}&" if team else ""
        last = ids.format_id(TASK, shown[-1].id) if len(rows) > _PER_PAGE else None
        return agents.page.render(
            "agents/board.html",
            teams=teams,
            of_team=of_team,
            tasks=[task_view(one, names) for one in shown],
            zone=zone,
            currency=currency,
            may=agents.may_change,
            first=BOARD_URL if after else None,
            more=None if last is None else f"{BOARD_URL}?{query}after={last}",
        )

    @get("/tasks/{task:str}", name="dashboard:agent-task")
    async def show_task(
        self, agents: NamedDependency[AgentPage], task: FromPath[str]
    ) -> Response[str]:
        """Show a task with its verdicts, plan, bids and events."""
        return await _render_task(agents, task)

    @post("/tasks/{task:str}/cancel", permission=Permission.PLANT)
    async def cancel(
        self, agents: NamedDependency[AgentPage], task: FromPath[str]
    ) -> Response[Any]:
        """Cancel an open task."""
        try:
            async with agents.database.transaction() as session:
                row = await cancel_task(agents.change(session), task)
        except AgentTaskClosed as error:
            return await _render_task(agents, task, error)
        return agents.page.redirect(task_url(row.id))

    @post("/tasks/{task:str}/answer", permission=Permission.PLANT)
    async def answer(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        task: FromPath[str],
    ) -> Response[Any]:
        """Answer a task that waits for a person."""
        fields = await read_form_fields(request)
        try:
            answer = _read_answer(fields)
            async with agents.database.transaction() as session:
                row = await answer_task(agents.change(session), task, answer)
        except (AgentTaskClosed, AgentTaskAnswerInvalid) as error:
            return await _render_task(agents, task, error, fields)
        return agents.page.redirect(task_url(row.id))


def _read_answer(fields: dict[str, str]) -> TaskAnswer:
    """Return the answer of a form: a chosen verdict, else a probability.

    Raises AgentTaskAnswerInvalid for a text that is no number.
    """
    agree_with, text = fields.get("agree_with", ""), fields.get("probability", "").strip()
    try:
        probability = float(text) if text and not agree_with else None
    except ValueError:
        raise AgentTaskAnswerInvalid("Not a number.", param="probability") from None
    note = fields.get("note", "").strip()
    return TaskAnswer(agree_with=agree_with or None, probability=probability, note=note)


async def _load_teams(session: AsyncSession, agents: AgentPage) -> list[TeamView]:
    """Return the teams with what they spent."""
    teams = await list_teams(session, agents.page.account_id, _MAX_TEAMS)
    held, now = await team_held_nano(session, teams), await database_now(session)
    return [team_view(one, held.get(one.id, 0), now) for one in teams]


async def _render_task(
    agents: AgentPage,
    task: str,
    error: AppError | None = None,
    fields: dict[str, str] | None = None,
) -> Response[str]:
    """Render the page of a task; with an error, the form that was sent could not be used."""
    page, account_id = agents.page, agents.page.account_id
    form = _form(agents, error, fields or {})
    async with agents.database.transaction() as session:
        row = await find_task(session, account_id, task)
        events = await list_events(session, account_id, row.id)
        case = await list_case(session, account_id, row.case_id)
        names = await load_board_names(session, account_id, [row, *case], events)
        people = await load_names(session, account_id)
        zone, currency = await load_account(session, account_id)
    return page.render(
        "agents/task.html",
        status=UNPROCESSABLE if error is not None else 200,
        form=form,
        task=task_view(row, names),
        content=read_content(row.content),
        case=_case(case, names),
        events=events,
        names=names,
        people=people,
        team_url=f"{BOARD_URL}/teams/{ids.format_id(TEAM, row.team_id)}",
        zone=zone,
        currency=currency,
        may_decide=agents.may_decide,
        is_open=row.status in OPEN_STATUSES,
    )


def _case(case: Sequence[AgentTask], names: BoardNames) -> list[Any]:
    """Return the tasks of a case for display."""
    return [task_view(one, names) for one in case]


def _form(agents: AgentPage, error: AppError | None, fields: dict[str, str]) -> FormState:
    """Return the state of the form of the answer."""
    return EMPTY_FORM if error is None else with_errors(agents.page, fields, error)
