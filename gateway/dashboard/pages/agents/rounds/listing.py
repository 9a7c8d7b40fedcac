"""Inspection rounds: the list, the page on which a phone answers, and the report."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.public_ids import ROUND
from gateway.agents.rounds.answers import Place, RoundAnswer, newest
from gateway.agents.rounds.errors import RoundPlanMissing
from gateway.agents.rounds.loading import answers_of, photos_of
from gateway.agents.rounds.pdf import render_report
from gateway.agents.rounds.printing import load_sheet
from gateway.agents.rounds.store import (
    cancel,
    find_round,
    list_rounds,
    read_plan,
    require_open,
    start_round,
)
from gateway.agents.rounds.texts import answer_text, limits_text, question_text, value_text
from gateway.agents.store.agents import find_agent
from gateway.dashboard.pages.agents.agent import render_agent
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
    AgentPage,
    load_account,
    load_names,
    provide_agents,
)
from gateway.identity.roles import Permission
from gateway.process.document_queue import DocumentQueue
from gateway.tables.agents_rounds import AgentRound, AgentRoundPhoto, RoundStatus
from infra import ids

ROUNDS_URL = f"{AGENTS_URL}/rounds"
_PER_PAGE = 25
_OPEN = (RoundStatus.OPEN, RoundStatus.MISSED)


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round as the list shows it."""

    row: AgentRound
    url: str
    out: int | None


class RoundListPages(Controller):
    """Handlers of `/dashboard/agents/rounds` and of starting a round."""

    path = "/agents"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/rounds", name="dashboard:rounds")
    async def show(
        self, agents: NamedDependency[AgentPage], after: FromQuery[str | None] = None
    ) -> Response[str]:
        """Show a page of rounds, the newest first."""
        account_id = agents.page.account_id
        cursor = None if after is None else ids.parse_id(ROUND, after)
        async with agents.database.transaction() as session:
            rows = await list_rounds(session, account_id, _PER_PAGE + 1, cursor)
            zone, _ = await load_account(session, account_id)
            people = await load_names(session, account_id)
        shown = rows[:_PER_PAGE]
        more = None
        if len(rows) > _PER_PAGE:
            more = f"{ROUNDS_URL}?after={ids.format_id(ROUND, shown[-1].id)}"
        return agents.page.render(
            "agents/rounds.html",
            rows=[_view(row) for row in shown],
            zone=zone,
            people=people,
            first=ROUNDS_URL if after else None,
            more=more,
        )

    @post("/{agent:str}/rounds", permission=Permission.PLANT)
    async def start(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Start a round of an agent and show its questions."""
        try:
            async with agents.database.transaction() as session:
                found = await find_agent(session, agents.page.account_id, agent)
                row = await start_round(agents.change(session), found)
        except RoundPlanMissing as error:
            return await render_agent(agents, agent, error)
        return agents.page.redirect(round_url(row))


class RoundPages(Controller):
    """Handlers of `/dashboard/agents/rounds/…`."""

    path = "/agents/rounds/{round_id:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:round")
    async def show(
        self, agents: NamedDependency[AgentPage], round_id: FromPath[str]
    ) -> Response[str]:
        """Show the questions of an open round, or the report of a submitted one."""
        async with agents.database.transaction() as session:
            row = await find_round(session, agents.page.account_id, round_id)
            zone, _ = await load_account(session, row.account_id)
            if row.status in _OPEN:
                values = await _questions(session, row)
            else:
                values = {"people": await load_names(session, row.account_id)}
        template = "agents/round.html" if row.status in _OPEN else "agents/round_report.html"
        return agents.page.render(
            template,
            round=row,
            url=round_url(row),
            zone=zone,
            may=agents.may_decide,
            question_text=question_text,
            answer_text=answer_text,
            limits_text=limits_text,
            value_text=value_text,
            **values,
        )

    @post("/cancel", permission=Permission.PLANT)
    async def cancel_round(
        self, agents: NamedDependency[AgentPage], round_id: FromPath[str]
    ) -> Response[Any]:
        """Cancel a round that was not submitted."""
        async with agents.database.transaction() as session:
            row = await find_round(session, agents.page.account_id, round_id)
            if row.status in _OPEN:
                await cancel(agents.change(session), round_id)
        return agents.page.redirect(ROUNDS_URL)

    @get("/pdf", name="dashboard:round-pdf")
    async def pdf(
        self,
        agents: NamedDependency[AgentPage],
        document_queue: NamedDependency[DocumentQueue],
        round_id: FromPath[str],
    ) -> Response[bytes]:
        """Return the report as PDF in the language of the page."""
        account_id = agents.page.account_id
        async with document_queue.slot(account_id):
            async with agents.database.transaction() as session:
                row = await find_round(session, account_id, round_id)
                sheet = await load_sheet(session, row, agents.page.language)
            content = await asyncio.to_thread(render_report, sheet)
        name = ids.format_id(ROUND, row.id)
        headers = {"content-disposition": f'attachment; filename="{name}.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)


def round_url(row: AgentRound) -> str:
    """Return the address of a round's page."""
    return f"{ROUNDS_URL}/{ids.format_id(ROUND, row.id)}"


async def _questions(session: AsyncSession, row: AgentRound) -> dict[str, Any]:
    """Return the route of an open round, with the answers and photos that the gateway has."""
    require_open(row)
    answers: Mapping[Place, RoundAnswer] = newest(await answers_of(session, row))
    photos: dict[Place, list[AgentRoundPhoto]] = {}
    for one in await photos_of(session, row):
        photos.setdefault((one.stop, one.question), []).append(one)
    plan = read_plan(row)
    count = sum(len(stop.questions) for stop in plan.stops)
    return {"plan": plan, "answers": answers, "photos": photos, "count": count}


def _view(row: AgentRound) -> RoundView:
    """Return a round for the list."""
    counts = (row.report or {}).get("counts", {})
    return RoundView(row, round_url(row), counts.get("out_of_limits"))
