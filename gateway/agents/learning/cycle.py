"""One turn of an agent's learning: outcomes, rollback, shadow period, training, limits.

    outcomes -> the active policy costs more, or its probabilities are off  -> rolled back
             -> a shadow period is over                           -> rejected, ready, promoted
             -> enough new outcomes                               -> trained

Every part is one transaction; figures are computed in a thread, outside of one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.learning.choosing import UsablePolicy
from gateway.agents.learning.features import feature_names
from gateway.agents.learning.feedback import mark_ignored
from gateway.agents.learning.history import (
    History,
    chosen_by,
    count_known,
    load_history,
    shadow_actions,
    shadowed_by,
)
from gateway.agents.learning.lifecycle import PolicyEditor, lock_agent
from gateway.agents.learning.limits import propose_limits
from gateway.agents.learning.outcomes import resolve_outcomes
from gateway.agents.learning.policy_rows import (
    IN_SHADOW,
    binding_of,
    list_policies,
    usable_policy,
    with_status,
)
from gateway.agents.learning.steps import interval_json, read_interval
from gateway.agents.store.agents import AgentChange, read_definition
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_learning import AgentLearning, AgentPolicy, PolicyStatus
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey
from models.policies.learned.judgement import (
    TooFewDecisions,
    judge_shadow,
    train_candidate,
    watch_policy,
)
from models.policies.learned.saving import saving_of
from models.policies.promotion import Evidence, Promotion, Verdict

# A further training needs so many new outcomes, so that chance gets few tries.
MIN_NEW = 50
# A shadow period without enough known outcomes ends after so many times its length.
_SHADOW_LENGTHS = 4


@dataclass(frozen=True, slots=True)
class Learner:
    """The parts of a gateway process that learning uses."""

    database: Database
    clock: Clock
    signing: SigningKey


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is known of an agent at the beginning of a turn."""

    agent: Agent
    history: History
    policies: Sequence[AgentPolicy]

    def usable(self, policy: AgentPolicy | None) -> UsablePolicy | None:
        """Return a policy that fits the agent of now."""
        if policy is None:
            return None
        return usable_policy(policy, binding_of(self.agent, self.history.definition))

    def before(self, policy: AgentPolicy) -> UsablePolicy | None:
        """Return the policy that another one replaced."""
        return self.usable(next((one for one in self.policies if one.id == policy.previous_id),
                                None))  # fmt: skip


async def learn(deps: Learner, account_id: UUID, agent_id: UUID) -> str | None:
    """Take one turn. Returns the step that was taken, or None."""
    turn = await _begin(deps, account_id, agent_id)
    if turn is None:
        return None
    active = with_status(turn.policies, PolicyStatus.ACTIVE)
    shadow = with_status(turn.policies, *IN_SHADOW)
    step = None if active is None else await _watch(deps, turn, active)
    if step is None and shadow is not None:
        step = await _end_shadow(deps, turn, shadow)
    if step is None and shadow is None:
        step = await _train(deps, turn)
    async with deps.database.transaction() as session:
        await propose_limits(_change(deps, session, account_id), turn.agent)
    return step


async def _begin(deps: Learner, account_id: UUID, agent_id: UUID) -> _Turn | None:
    """Bring outcomes up to date and return what is known; None if there is nothing to learn."""
    now = deps.clock.now()
    async with deps.database.transaction() as session:
        agent = await session.get(Agent, agent_id)
        if agent is None or agent.account_id != account_id or agent.status == AgentStatus.DELETED:
            return None
        definition = read_definition(agent.definition)
        if not definition.learning.enabled:
            return None
        await mark_ignored(session, agent, definition.learning.ignored_s, now)
        await resolve_outcomes(session, agent, definition, now)
        known = await count_known(session, agent)
        policies = await list_policies(session, account_id, agent_id)
        state = await session.get(AgentLearning, agent_id)
        is_judging = with_status(policies, *IN_SHADOW) is not None
        if state is None or (state.known == known and not is_judging):
            return None
        return _Turn(agent, await load_history(session, agent, definition, known), policies)


async def _watch(deps: Learner, turn: _Turn, active: AgentPolicy) -> str | None:
    """Roll the active policy back if it costs more, or if its probabilities are off."""
    usable, rows = turn.usable(active), chosen_by(turn.history.rows, active.id)
    if usable is None or len(rows) < 2:
        return None
    before = turn.before(active)
    watch = await asyncio.to_thread(
        lambda: watch_policy(usable.policy, turn.history.known(rows, before))
    )
    if not watch.reasons:
        return None
    figures = {
        "saving": interval_json(watch.saving),
        "calibration_gap": interval_json(watch.gap),
        "decisions": watch.decisions,
        "reasons": list(watch.reasons),
    }
    async with deps.database.transaction() as session:
        editor = await _editor(deps, session, turn.agent)
        current = with_status(await editor.policies(), PolicyStatus.ACTIVE)
        if current is None or current.id != active.id:
            return None
        await editor.roll_back(figures)
    return "rolled_back"


async def _end_shadow(deps: Learner, turn: _Turn, shadow: AgentPolicy) -> str | None:
    """Judge a policy whose shadow period is over."""
    now, until = deps.clock.now(), shadow.shadow_until or deps.clock.now()
    if shadow.status == PolicyStatus.READY or now < until:
        return None
    rows = shadowed_by(turn.history.rows, shadow.id)
    active = turn.usable(with_status(turn.policies, PolicyStatus.ACTIVE))
    promotion, figures = await asyncio.to_thread(_judge, turn.history, rows, active, shadow)
    if turn.usable(shadow) is None:
        promotion = Promotion(Verdict.REJECT, ("asset_or_costs_changed",))
    elif promotion.verdict is Verdict.KEEP_SHADOW and _is_overdue(shadow, now):
        promotion = Promotion(Verdict.REJECT, ("shadow_inconclusive", *promotion.reasons))
    if promotion.verdict is Verdict.KEEP_SHADOW:
        return None
    async with deps.database.transaction() as session:
        editor = await _editor(deps, session, turn.agent)
        row = with_status(await editor.policies(), PolicyStatus.SHADOW)
        if row is None or row.id != shadow.id:
            return None
        await editor.end_shadow(row, promotion, figures)
        return row.status


def _judge(
    history: History, rows: Sequence[Any], active: UsablePolicy | None, shadow: AgentPolicy
) -> tuple[Promotion, dict[str, Any]]:
    """Return the verdict on a shadow period with its figures.

    A policy from elsewhere has no replay on this agent: its shadow period must show the saving.
    """
    saving = None
    if rows:
        saving = saving_of(history.known(rows, active), shadow_actions(rows))
    replay = read_interval(shadow.evidence.get("replay")) or saving
    figures = {"saving": interval_json(saving), "decisions": len(rows)}
    if replay is None:
        return Promotion(Verdict.KEEP_SHADOW, ("shadow_too_short",)), figures
    evidence = Evidence(
        off_policy=read_interval(shadow.evidence.get("off_policy")),
        effective_decisions=float(shadow.evidence.get("effective_decisions", 0.0)),
        replay=replay,
        shadow=saving,
        shadow_decisions=len(rows),
    )
    return judge_shadow(evidence), figures


def _is_overdue(shadow: AgentPolicy, now: datetime) -> bool:
    """Return whether a shadow period lasted several times its length."""
    until = shadow.shadow_until or now
    length = max(until - shadow.created_at, timedelta(days=1))
    return now > shadow.created_at + _SHADOW_LENGTHS * length


async def _train(deps: Learner, turn: _Turn) -> str | None:
    """Train a candidate if there are enough new outcomes, and record why there is none."""
    history, known = turn.history, turn.history.known_count
    async with deps.database.transaction() as session:
        row = await session.get_one(AgentLearning, turn.agent.id)
        trained = row.trained_known
    if trained and known < trained + MIN_NEW:
        missing = f"{known - trained} of {MIN_NEW} new outcomes since the last training."
        await _wait(deps, turn, missing)
        return None
    active = turn.usable(with_status(turn.policies, PolicyStatus.ACTIVE))
    definition = history.definition

    def train() -> Any:
        columns = history.known(history.rows, active)
        scale = definition.costs.unplanned_stop
        return train_candidate(feature_names(definition), columns, scale)

    try:
        candidate = await asyncio.to_thread(train)
    except TooFewDecisions as error:
        await _wait(deps, turn, str(error))
        return None
    async with deps.database.transaction() as session:
        editor = await _editor(deps, session, turn.agent)
        row = await session.get_one(AgentLearning, turn.agent.id)
        if editor.agent.version != turn.agent.version or row.trained_known != trained:
            return None
        row.trained_known, row.known, row.waits_for = known, known, ""
        return (await editor.store(candidate)).status


async def _wait(deps: Learner, turn: _Turn, reason: str) -> None:
    """Record why no policy is trained."""
    async with deps.database.transaction() as session:
        row = await session.get_one(AgentLearning, turn.agent.id)
        row.known, row.waits_for = turn.history.known_count, reason


async def _editor(deps: Learner, session: AsyncSession, agent: Agent) -> PolicyEditor:
    """Return what changes the policies of an agent, which is locked."""
    locked = await lock_agent(session, agent)
    return PolicyEditor(_change(deps, session, agent.account_id), deps.signing, locked or agent)


def _change(deps: Learner, session: AsyncSession, account_id: UUID) -> AgentChange:
    """Return the context of changes by the platform."""
    return AgentChange(session, deps.clock, CLI_ACTOR, account_id)
