"""When a lease has lapsed and a task is stuck; pure. Times are those of the database."""

from datetime import datetime, timedelta

from gateway.agents.board.contract_net.values import TaskCode
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import AgentTask, TaskStatus


def has_lapsed(lease_until: datetime, lease_s: float, now: datetime) -> bool:
    """Return whether a lease was not renewed in time.

    One that ends much later than any lease of now was given before the clock was set back.
    """
    return not timedelta() < lease_until - now <= timedelta(seconds=2 * lease_s)


def lapse_reason(
    task: AgentTask, holder: Agent | None, lease_s: float, now: datetime
) -> TaskCode | None:
    """Return why the holder of a task loses its lease, None if it keeps it."""
    if holder is None or holder.status != AgentStatus.ACTIVE:
        return TaskCode.HOLDER_INACTIVE
    if holder.version != task.holder_version:
        return TaskCode.HOLDER_CHANGED
    if task.lease_until is None or has_lapsed(task.lease_until, lease_s, now):
        return TaskCode.NOT_RENEWED
    return None


def stuck_reason(task: AgentTask, max_leases: int, now: datetime) -> TaskCode | None:
    """Return why a task is stopped, None if it may go on. A person has until the deadline too."""
    if now >= task.deadline_at:
        never = task.leases == 0 and task.status == TaskStatus.ANNOUNCED
        return TaskCode.UNCLAIMED if never else TaskCode.OVERDUE
    if task.status != TaskStatus.WAITING and task.leases >= max_leases:
        return TaskCode.STUCK
    return None
