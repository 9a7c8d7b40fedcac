"""Send the daily reports that are due, each once a day of its account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.agent_reports import AgentReportNotice, enqueue_agent_report
from gateway.agents.public_ids import AGENT
from gateway.agents.savings.report import AgentReport, load_report
from gateway.tables import agents_reports
from gateway.tables.agents import Agent
from infra import ids
from infra.clock import Clock
from infra.database.database import Database, is_outage

MAX_REPORTS = 50
# Paused agents do nothing, so nothing is reported of them. Rows that another process reports are
# skipped.
_DUE = text("""
    select agent.id, (cast(:now as timestamptz) at time zone profile.time_zone)::date as day
    from agent
    join billing_profile profile on profile.account_id = agent.account_id
    left join agent_report report on report.agent_id = agent.id
    where agent.id > :after
      and agent.definition #>> '{recipients,daily_report}' <> ''
      and agent.status in ('active', 'stopped')
      and (cast(:now as timestamptz) at time zone profile.time_zone)::time
          >= cast(agent.definition #>> '{recipients,daily_report}' as time)
      and (report.day is null
           or report.day < (cast(:now as timestamptz) at time zone profile.time_zone)::date)
    order by agent.id limit :most
    for update of agent skip locked
""")


@dataclass(frozen=True, slots=True)
class DueReports:
    """How many reports were queued, and how many could not be built and are tried again later."""

    queued: int
    failed: int


async def send_due_reports(database: Database, clock: Clock) -> DueReports:
    """Enqueue all reports that are due, MAX_REPORTS in one transaction."""
    sent: list[bool] = []
    after = UUID(int=0)
    while True:
        async with database.transaction() as session:
            page = await _due(session, clock, after)
            sent += [await _enqueue_safely(session, clock, *one) for one in page]
        if len(page) < MAX_REPORTS:
            return DueReports(queued=sum(sent), failed=len(sent) - sum(sent))
        after, _ = page[-1]


async def _due(session: AsyncSession, clock: Clock, after: UUID) -> Sequence[tuple[UUID, date]]:
    """Lock the next agents whose report is due; returns them with the day of the report."""
    values = {"now": clock.now(), "after": after, "most": MAX_REPORTS}
    return [(one.id, one.day) for one in await session.execute(_DUE, values)]


async def _enqueue_safely(session: AsyncSession, clock: Clock, agent_id: UUID, day: date) -> bool:
    """Enqueue a report; one that fails ends neither the others nor the ticks of agents.

    Raises if the database is away, which ends the transaction of all.
    """
    try:
        async with session.begin_nested():
            row = await session.get_one(Agent, agent_id)
            report = await load_report(session, clock, row)
            await enqueue_agent_report(session, clock, _notice(row, report, day))
            await _mark_sent(session, row, day)
    except Exception as error:
        if is_outage(error):
            raise
        agent = ids.format_id(AGENT, agent_id)
        log = structlog.get_logger()
        log.error("the daily report of an agent failed", agent=agent, exc_info=error)
        return False
    return True


def _notice(row: Agent, report: AgentReport, day: date) -> AgentReportNotice:
    """Return the notice of a report."""
    period = report.period
    observed, activity = period.observed, period.activity
    return AgentReportNotice(
        account_id=row.account_id,
        agent=ids.format_id(AGENT, row.id),
        name=row.name,
        asset=row.definition["asset"],
        day=day.isoformat(),
        since=report.since,
        currency=report.currency,
        counts={
            "ticks": activity.ticks,
            "predictions": activity.predictions,
            "recommendations": len(period.results),
            "actions": activity.actions,
            "errors": activity.errors,
        },
        cost_nano=activity.cost_nano,
        expected_nano=period.expected_nano,
        observed_nano=None if observed is None else (observed.lower_nano, observed.upper_nano),
    )


async def _mark_sent(session: AsyncSession, row: Agent, day: date) -> None:
    """Remember that the report of a day was sent."""
    values: dict[str, Any] = {"agent_id": row.id, "account_id": row.account_id, "day": day}
    statement = insert(agents_reports.AgentReport).values(**values)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["agent_id"], set_={"day": day})
    )
