"""Start, find, answer, submit and cancel rounds; every answer is kept, also a corrected one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.rounds import RoundPlan
from gateway.agents.public_ids import AGENT, ROUND
from gateway.agents.rounds.answers import (
    NewAnswer,
    RoundAnswer,
    check_answers,
    newest,
    require_complete,
)
from gateway.agents.rounds.errors import (
    RoundAnswerInvalid,
    RoundClosed,
    RoundNotFound,
    RoundPlanMissing,
)
from gateway.agents.rounds.findings import findings
from gateway.agents.rounds.loading import (
    RoundContent,
    answers_of,
    count_photos,
    load_content,
)
from gateway.agents.rounds.report import build_report, report_hash
from gateway.agents.rounds.signing import round_message
from gateway.agents.store.agents import AgentChange, read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_rounds import AgentRound, AgentRoundAnswer, RoundStatus
from infra import ids
from infra.database.paging import page_of
from infra.secrets.signing_key import SigningKey

# A round that was missed can still be sent, late: nothing that a person wrote down is lost.
_OPEN = (RoundStatus.OPEN, RoundStatus.MISSED)


def read_plan(row: AgentRound) -> RoundPlan:
    """Return the route of a round, as it was when the round began."""
    return msgspec.convert(row.plan, RoundPlan)


async def start_round(change: AgentChange, agent: Agent) -> AgentRound:
    """Start a round by hand; one that is open is returned as it is. Raises RoundPlanMissing."""
    plan = read_definition(agent.definition).round
    if plan is None:
        raise RoundPlanMissing("The definition of the agent has no `[round]`.")
    await change.session.get_one(Agent, agent.id, with_for_update=True)
    query = select(AgentRound).where(
        col(AgentRound.account_id) == change.account_id,
        col(AgentRound.agent_id) == agent.id,
        col(AgentRound.status) == RoundStatus.OPEN,
    )
    found = (await change.session.scalars(query.order_by(col(AgentRound.id).desc()))).first()
    if found is not None:
        return found
    row = new_round(agent, plan, change.clock.now(), change.actor.public_id)
    change.session.add(row)
    await change.session.flush()
    await _record(change, row, "agent.round_started")
    return row


async def start_scheduled(
    session: AsyncSession, agent: Agent, plan: RoundPlan, at: datetime, now: datetime
) -> None:
    """Start the round of a time once; an earlier scheduled one that is still open was missed."""
    row = new_round(agent, plan, now, None, at)
    statement = insert(AgentRound).values(**row.model_dump()).on_conflict_do_nothing()
    added = (await session.execute(statement.returning(col(AgentRound.id)))).one_or_none()
    if added is None:
        return
    await session.execute(
        update(AgentRound)
        .where(
            col(AgentRound.account_id) == agent.account_id,
            col(AgentRound.agent_id) == agent.id,
            col(AgentRound.status) == RoundStatus.OPEN,
            col(AgentRound.scheduled_at) < at,
        )
        .values(status=RoundStatus.MISSED)
        .execution_options(synchronize_session=False)
    )


def new_round(
    agent: Agent, plan: RoundPlan, now: datetime, by: str | None, at: datetime | None = None
) -> AgentRound:
    """Return the row of a round that begins now. at: the scheduled time, None by hand."""
    return AgentRound(
        id=ids.new_id(),
        account_id=agent.account_id,
        agent_id=agent.id,
        agent_version=agent.version,
        name=agent.name,
        plan=msgspec.to_builtins(plan),
        status=RoundStatus.OPEN.value,
        scheduled_at=at,
        started_at=now,
        started_by=by,
        due_at=(at or now) + timedelta(seconds=plan.within_s),
        results=[],
    )


async def find_round(
    session: AsyncSession, account_id: UUID, round_id: str, *, is_locked: bool = False
) -> AgentRound:
    """Return one of the account's rounds. Raises RoundNotFound."""
    query = select(AgentRound).where(
        col(AgentRound.account_id) == account_id,
        col(AgentRound.id) == ids.parse_id(ROUND, round_id),
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise RoundNotFound(f"The round {round_id[:60]!r} does not exist.", param="round")
    return row


async def list_rounds(
    session: AsyncSession,
    account_id: UUID,
    limit: int,
    after: UUID | None = None,
    agent_id: UUID | None = None,
    status: RoundStatus | None = None,
) -> Sequence[AgentRound]:
    """Return a page of the account's rounds, the newest first."""
    query = select(AgentRound).where(col(AgentRound.account_id) == account_id)
    if agent_id is not None:
        query = query.where(col(AgentRound.agent_id) == agent_id)
    if status is not None:
        query = query.where(col(AgentRound.status) == status)
    return (await session.scalars(page_of(query, col(AgentRound.id), limit, after))).all()


async def add_answers(change: AgentChange, round_id: str, sent: Sequence[NewAnswer]) -> AgentRound:
    """Store answers; those whose key is known are left as they are.

    Raises RoundNotFound, RoundClosed, RoundAnswerInvalid; then none is stored.
    """
    row = await find_round(change.session, change.account_id, round_id, is_locked=True)
    now = change.clock.now()
    checked = check_answers(read_plan(row), sent, row.started_at, now)
    known = {one.key: one for one in await answers_of(change.session, row)}
    for index, one in enumerate(checked):
        before = known.get(one.key)
        if before is not None and _differs(before, one):
            text = f"`answers[{index}].key` was used for another answer of this round."
            raise RoundAnswerInvalid(text, param=f"answers[{index}].key")
    new = {one.key: one for one in checked if one.key not in known}
    if new:
        require_open(row)
    change.session.add_all(_row(change, row, one, now) for one in new.values())
    await change.session.flush()
    return row


async def submit(change: AgentChange, round_id: str, signing: SigningKey) -> AgentRound:
    """Submit a round with its answers and photos; a repeated submission changes nothing.

    signing: the key that signs its report.

    Raises RoundNotFound, RoundClosed, RoundIncomplete.
    """
    row = await find_round(change.session, change.account_id, round_id, is_locked=True)
    if row.status == RoundStatus.SUBMITTED:
        return row
    require_open(row)
    plan, answers = read_plan(row), newest(await answers_of(change.session, row))
    require_complete(plan, answers, await count_photos(change.session, row))
    row.status, row.submitted_at = RoundStatus.SUBMITTED, change.clock.now()
    row.submitted_by = change.actor.public_id
    content = await load_content(change.session, row)
    set_report(row, content, signing)
    await change.session.flush()
    await _record(change, row, "agent.round_submitted")
    return row


def set_report(row: AgentRound, content: RoundContent, signing: SigningKey) -> None:
    """Set the results and the report of a round, with the hash and signature of the report."""
    results = findings(read_plan(row), content.answers, content.classified, content.language)
    row.results = msgspec.to_builtins(results)
    row.report = build_report(row, read_plan(row), content)
    row.report_sha256 = report_hash(row.report)
    row.report_signature = signing.sign(round_message(row.id, row.report_sha256))


async def cancel(change: AgentChange, round_id: str) -> AgentRound:
    """Cancel a round that was not submitted. Raises RoundNotFound, RoundClosed."""
    row = await find_round(change.session, change.account_id, round_id, is_locked=True)
    if row.status != RoundStatus.CANCELLED:
        require_open(row)
        row.status = RoundStatus.CANCELLED
        await change.session.flush()
        await _record(change, row, "agent.round_cancelled")
    return row


def require_open(row: AgentRound) -> None:
    """Raise RoundClosed unless a round takes answers; one that was missed still does."""
    if row.status not in _OPEN:
        raise RoundClosed(f"The round is `{row.status}`.")


def _differs(row: RoundAnswer, answer: RoundAnswer) -> bool:
    """Return whether an answer differs from the stored one with its key; times may."""
    stored = (row.place, row.value, row.note)
    return stored != (answer.place, answer.value, answer.note)


def _row(
    change: AgentChange, row: AgentRound, answer: RoundAnswer, now: datetime
) -> AgentRoundAnswer:
    """Return the row of an answer."""
    return AgentRoundAnswer(
        id=ids.new_id(),
        account_id=row.account_id,
        round_id=row.id,
        key=answer.key,
        stop=answer.place[0],
        question=answer.place[1],
        value=answer.value,
        unit=answer.unit,
        note=answer.note,
        answered_at=answer.answered_at,
        received_at=now,
        answered_by=change.actor.public_id,
    )


async def _record(change: AgentChange, row: AgentRound, event: str) -> None:
    """Record a change of a round in the audit log, under its agent."""
    agent = await change.session.get_one(Agent, row.agent_id)
    details: dict[str, Any] = {"round": ids.format_id(ROUND, row.id)}
    if row.report_sha256:
        details["report_sha256"] = row.report_sha256
    await change.record(event, agent, details | {"agent": ids.format_id(AGENT, agent.id)})
