"""What connectors report of commands: outcome, control of the point, the action, and notices."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.agent_alerts import AgentAlert, enqueue_agent_alert
from gateway.agents.commands.leases import release_lease
from gateway.agents.public_ids import ACTION, AGENT, COMMAND
from gateway.plant.commands.values import Report, ReportStatus
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus
from gateway.tables.agents_commands import LIVE_COMMANDS, OPEN_COMMANDS, AgentCommand
from infra import ids
from infra.clock import Clock


async def apply_report(
    session: AsyncSession, clock: Clock, account_id: UUID, connector: str, report: Report
) -> str:
    """Store an outcome; returns its status, empty for one that is known or of no such command.

    Only a safe value follows an outcome. Commands of other connectors are left alone.
    """
    query = (
        select(AgentCommand)
        .where(
            col(AgentCommand.account_id) == account_id,
            col(AgentCommand.connector) == connector,
            col(AgentCommand.id) == ids.parse_id(COMMAND, report.command),
        )
        .with_for_update()
    )
    row = (await session.scalars(query)).one_or_none()
    expected = LIVE_COMMANDS if report.status is ReportStatus.SAFE else OPEN_COMMANDS
    if row is None or row.status not in expected:
        return ""
    row.status, row.code, row.reported_at = report.status.value, report.code[:100], clock.now()
    if report.value_before is not None:
        row.value_before = report.value_before
    row.value_read = report.value_read
    await session.flush()
    await _end_control(session, row, report.status)
    await _tell(session, clock, row, report)
    return report.status.value


async def _end_control(session: AsyncSession, row: AgentCommand, status: ReportStatus) -> None:
    """Release the point of a command that has no effect, or that was undone; fail its action."""
    if row.is_undo or status in (ReportStatus.REFUSED, ReportStatus.SAFE):
        await release_lease(session, row.account_id, row.tag)
    if status is ReportStatus.REFUSED and not row.is_undo:
        action = await session.get_one(AgentAction, row.action_id)
        action.status = AgentActionStatus.FAILED
        action.content = {**action.content, "refusal": {"code": row.code, "tag": row.tag}}
        await session.flush()


async def _tell(session: AsyncSession, clock: Clock, row: AgentCommand, report: Report) -> None:
    """Tell recipients of an outcome other than the wanted one."""
    if report.status is ReportStatus.DONE:
        return
    agent = await session.get_one(Agent, row.agent_id)
    command = ids.format_id(COMMAND, row.id)
    await enqueue_agent_alert(
        session,
        clock,
        AgentAlert(
            account_id=row.account_id,
            agent=ids.format_id(AGENT, row.agent_id),
            name=agent.name,
            asset=agent.definition["asset"],
            key=f"{command}:{report.status.value}",
            kind=f"command_{report.status.value}",
            data={
                "command": command,
                "action_id": ids.format_id(ACTION, row.action_id),
                "tag": row.tag,
                "value": row.value,
                "unit": row.unit,
                "code": row.code,
                "value_read": row.value_read,
            },
        ),
    )
