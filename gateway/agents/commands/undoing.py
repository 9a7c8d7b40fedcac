"""Undo the commands of an action: cancel those not sent, write the former value of the others."""

from sqlmodel import col, select

from gateway.agents.commands.issuing import issue_undo
from gateway.agents.commands.leases import release_lease
from gateway.agents.errors import AgentActionClosed
from gateway.agents.store.agents import AgentChange
from gateway.tables.agents import Agent, AgentAction
from gateway.tables.agents_commands import AgentCommand, CommandStatus


async def undo_commands(change: AgentChange, agent: Agent, action: AgentAction) -> None:
    """Undo an executed action that wrote values.

    A point whose dead-man timer wrote the safe value keeps it. Raises AgentActionClosed if a
    command is on its way or the former value is not known, AgentCommandRefused if the former value
    is outside the limits.
    """
    query = (
        select(AgentCommand)
        .where(
            col(AgentCommand.account_id) == change.account_id,
            col(AgentCommand.action_id) == action.id,
            ~col(AgentCommand.is_undo),
        )
        .with_for_update()
    )
    for row in (await change.session.scalars(query)).all():
        await _undo(change, agent, action, row)


async def _undo(change: AgentChange, agent: Agent, action: AgentAction, row: AgentCommand) -> None:
    """Undo one command."""
    if row.status == CommandStatus.SENT:
        raise AgentActionClosed("The connector has not reported yet what became of the command.")
    if row.status == CommandStatus.QUEUED:
        row.status = CommandStatus.CANCELLED
        await change.session.flush()
        await release_lease(change.session, row.account_id, row.tag)
    if row.status in (CommandStatus.DONE, CommandStatus.NOT_CONFIRMED):
        if row.value_before is None:
            raise AgentActionClosed(f"The former value of the point {row.tag!r} is not known.")
        await issue_undo(change.session, change.clock, agent, action, row)
        # It is renewed no more, so that a dead-man timer ends if the undo is refused.
        row.status = CommandStatus.UNDONE
        await change.session.flush()
