"""Pages of teams of agents: create, show with members and money, change, delete."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.board.clock import database_now
from gateway.agents.board.errors import AgentTeamInUse, AgentTeamInvalid, AgentTeamNameTaken
from gateway.agents.board.errors import AgentTeamLimitReached as LimitReached
from gateway.agents.board.holds import team_held_nano
from gateway.agents.board.membership import list_members
from gateway.agents.board.team_fields import TeamDocument, read_team, team_document
from gateway.agents.board.teams import change_team, create_team, delete_team, find_team
from gateway.dashboard.forms import FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.board_views import BOARD_URL, team_url, team_view
from gateway.dashboard.pages.agents.common import (
    AgentPage,
    agent_url,
    load_account,
    provide_agents,
)
from gateway.dashboard.pages.agents.team_form import team_form_values, team_of_form
from gateway.identity.roles import Permission
from gateway.plant.store.node_names import load_names
from infra.errors import AppError


class AgentTeamPages(Controller):
    """Handlers of `/dashboard/agents/board/teams/…`."""

    path = "/agents/board/teams"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/new", permission=Permission.CALL)
    async def show_new(self, agents: NamedDependency[AgentPage]) -> Response[str]:
        """Show the form of a new team."""
        return _render_new(agents, FormState(team_form_values(TeamDocument(name=""))))

    @post("/new", permission=Permission.CALL)
    async def create(
        self, agents: NamedDependency[AgentPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create a team."""
        fields = await read_form_fields(request)
        try:
            async with agents.database.transaction() as session:
                document = read_team(team_of_form(fields))
                row = await create_team(agents.change(session), document)
        except (AgentTeamInvalid, AgentTeamNameTaken, LimitReached) as error:
            return _render_new(agents, with_errors(agents.page, fields, error), UNPROCESSABLE)
        return agents.page.redirect(team_url(row.id))

    @get("/{team:str}", name="dashboard:agent-team")
    async def show(self, agents: NamedDependency[AgentPage], team: FromPath[str]) -> Response[str]:
        """Show a team with its members."""
        return await _render(agents, team)

    @post("/{team:str}", permission=Permission.CALL)
    async def change(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        team: FromPath[str],
    ) -> Response[Any]:
        """Change the budget and the limits of a team."""
        fields = await read_form_fields(request)
        stated = {name: one for name, one in team_of_form(fields).items() if name != "name"}
        try:
            async with agents.database.transaction() as session:
                row = await change_team(agents.change(session), team, stated)
        except AgentTeamInvalid as error:
            return await _render(agents, team, error, fields)
        return agents.page.redirect(team_url(row.id))

    @post("/{team:str}/delete", permission=Permission.CALL)
    async def delete(
        self, agents: NamedDependency[AgentPage], team: FromPath[str]
    ) -> Response[Any]:
        """Delete a team without members and open tasks."""
        try:
            async with agents.database.transaction() as session:
                await delete_team(agents.change(session), team)
        except AgentTeamInUse as error:
            return await _render(agents, team, error)
        return agents.page.redirect(BOARD_URL)


def _render_new(agents: AgentPage, form: FormState, status: int = 200) -> Response[str]:
    """Render the form of a new team."""
    return agents.page.render("agents/new_team.html", status=status, form=form)


async def _render(
    agents: AgentPage,
    team: str,
    error: AppError | None = None,
    fields: dict[str, str] | None = None,
) -> Response[str]:
    """Render the page of a team."""
    account_id = agents.page.account_id
    async with agents.database.transaction() as session:
        row = await find_team(session, account_id, team)
        members = await list_members(session, account_id, row.id)
        held = await team_held_nano(session, [row])
        view = team_view(row, held.get(row.id, 0), await database_now(session))
        assets = await load_names(session, account_id, [agent.asset_id for _, agent in members])
        zone, currency = await load_account(session, account_id)
    values = {**team_form_values(team_document(row)), **(fields or {})}
    form = FormState(values) if error is None else with_errors(agents.page, values, error)
    return agents.page.render(
        "agents/team.html",
        status=UNPROCESSABLE if error is not None else 200,
        form=form,
        team=view,
        members=[(member, agent, agent_url(agent.id)) for member, agent in members],
        assets=assets,
        zone=zone,
        currency=currency,
        may=agents.may_change,
    )
