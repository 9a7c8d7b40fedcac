"""Take a task from its holder, stop it, or let it wait for a person, with event and notice."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import nano_text
from billing.notifications.board_alerts import BoardAlert, BoardNotice, enqueue_board_alert
from gateway.agents.board.announcing import ANSWER_WITHIN, add_event
from gateway.agents.board.contract_net.values import TASK, TaskCode, Verdict, read_content
from gateway.agents.board.holds import settle_task
from gateway.agents.board.tasks import close
from gateway.tables.agents_board import AgentTask, AgentTeam, TaskStatus
from gateway.tables.plant import PlantAsset
from infra import ids
from infra.clock import Clock

TASKS_PAGE = "/dashboard/agents/board/tasks"


def lapse(
    session: AsyncSession, task: AgentTask, code: str, now: datetime, *,
    is_fault: bool = True, delay: timedelta = timedelta(),
) -> None:  # fmt: skip
    """Take a task from its holder and announce it again, after a delay.

    is_fault: the holder comes after other bidders from now on.
    """
    holder = task.holder_id
    add_event(session, task.account_id, task.id, "lapsed", now, holder, {"code": code})
    if holder is not None and is_fault:
        task.lapsed = {**task.lapsed, holder.hex: task.lapsed.get(holder.hex, 0) + 1}
    task.status, task.code = TaskStatus.ANNOUNCED, code
    task.holder_id = task.holder_version = task.process_id = task.lease_until = None
    task.retry_at = now + delay if delay else None


async def stop(
    session: AsyncSession, clock: Clock, team: AgentTeam, task: AgentTask, code: TaskCode,
    now: datetime,
) -> None:  # fmt: skip
    """Stop a task and with it the case, and tell the account's recipients."""
    last = task.code
    costs = await settle_task(session, task.account_id, team.id, task.id)
    task.cost_nano += sum(costs.values())
    close(task, TaskStatus.STOPPED, now)
    task.code = code
    data = {"code": code.value, "last": last or ""}
    add_event(session, task.account_id, task.id, "stopped", now, task.holder_id, data)
    await _tell(session, clock, team, task, BoardNotice.TASK_STOPPED)


async def wait_for_person(
    session: AsyncSession, clock: Clock, team: AgentTeam, task: AgentTask, code: TaskCode,
    now: datetime,
) -> None:  # fmt: skip
    """Let a task wait for the answer of a person, who is told the verdicts with their figures."""
    task.status, task.code = TaskStatus.WAITING, code
    task.holder_id = task.holder_version = task.process_id = task.lease_until = None
    task.retry_at, task.deadline_at = None, now + ANSWER_WITHIN
    add_event(session, task.account_id, task.id, "waiting", now, None, {"code": code.value})
    kind = BoardNotice.CONFLICT if code is TaskCode.CONFLICT else BoardNotice.UNPAID
    await _tell(session, clock, team, task, kind)


async def asset_code(session: AsyncSession, account_id: UUID, asset_id: UUID) -> str:
    """Return the code of an asset."""
    query = select(PlantAsset.code).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.id) == asset_id
    )
    return (await session.scalars(query)).one()


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict in words that need no translation: name, probability, action."""
    if verdict.probability is None:
        return f"{verdict.name}: {verdict.action}"
    return f"{verdict.name}: {verdict.probability:.1%} ({verdict.action})"


async def _tell(
    session: AsyncSession, clock: Clock, team: AgentTeam, task: AgentTask, kind: BoardNotice
) -> None:
    """Enqueue a notice about a task, once."""
    asset = await asset_code(session, task.account_id, task.asset_id)
    verdicts = read_content(task.content).verdicts
    public_id = ids.format_id(TASK, task.id)
    texts = {
        "team": team.name,
        "asset": asset,
        "code": task.code or "",
        "verdicts": "; ".join(verdict_text(one) for one in verdicts),
    }
    data = {
        "task": public_id,
        "team": team.name,
        "asset": asset,
        "kind": task.kind,
        "code": task.code,
        "verdicts": task.content["verdicts"],
        "cost": nano_text(task.cost_nano),
    }
    page = f"{TASKS_PAGE}/{public_id}"
    alert = BoardAlert(task.account_id, f"{public_id}:{kind.value}", kind, texts, data, page)
    await enqueue_board_alert(session, clock, alert)
