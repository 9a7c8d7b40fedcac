"""Steps of policies: store a candidate, import, judge its shadow period, promote, roll back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.learning import PromotionMode
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learned_files import file_hash
from gateway.agents.learning.errors import AgentPolicyNotReady
from gateway.agents.learning.policy_rows import (
    IN_SHADOW,
    binding_of,
    find_policy,
    list_policies,
    read_signed,
    usable_policy,
    with_status,
)
from gateway.agents.learning.steps import (
    IMPORTED,
    PROMOTED,
    READY,
    REJECTED,
    ROLLED_BACK,
    TRAINED,
    interval_json,
    record_step,
)
from gateway.agents.store.agents import AgentChange, read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentPolicy, PolicyStatus
from infra import ids
from infra.secrets.signing_key import SigningKey
from models.policies.learned.judgement import Candidate
from models.policies.learned.policy_file import write_policy
from models.policies.promotion import Promotion, Verdict


@dataclass(frozen=True, slots=True)
class PolicyEditor:
    """Changes policies of one agent in one transaction. by hand: the actor is the owner."""

    change: AgentChange
    signing: SigningKey
    agent: Agent

    @property
    def definition(self) -> AgentDefinition:
        """The current definition of the agent."""
        return read_definition(self.agent.definition)

    async def store(self, candidate: Candidate) -> AgentPolicy:
        """Store a trained policy: in its shadow period, or rejected with reasons."""
        promotion = candidate.promotion
        figures = candidate_figures(candidate, promotion)
        is_rejected = promotion.verdict is Verdict.REJECT
        content = write_policy(candidate.policy, binding_of(self.agent, self.definition))
        row = await self.add(content, figures, is_rejected=is_rejected)
        await self._step(row, REJECTED if is_rejected else TRAINED, figures)
        return row

    async def import_file(self, content: bytes, signature: str) -> AgentPolicy:
        """Import an exported policy, which begins with a shadow period.

        Raises AgentPolicyInvalid, AgentPolicyForeign, AgentPolicyNotReady.
        """
        read_signed(self.signing, content, signature, binding_of(self.agent, self.definition))
        policies = await self.policies()
        if with_status(policies, *IN_SHADOW) is not None:
            raise AgentPolicyNotReady("Another policy is in its shadow period.")
        digest = file_hash(content)
        earlier = next((one for one in policies if one.sha256 == digest), None)
        evidence = {} if earlier is None else dict(earlier.evidence)
        row = await self.add(content, {**evidence, "imported": True})
        await self._step(row, IMPORTED, {"sha256": row.sha256})
        return row

    async def add(
        self, content: bytes, evidence: Mapping[str, Any], *, is_rejected: bool = False
    ) -> AgentPolicy:
        """Add a policy with the next number, in shadow unless it is rejected."""
        now, policies = self.change.clock.now(), await self.policies()
        until = now + timedelta(seconds=self.definition.learning.shadow_s)
        row = AgentPolicy(
            id=ids.new_id(),
            account_id=self.agent.account_id,
            agent_id=self.agent.id,
            number=policies[0].number + 1 if policies else 1,
            status=PolicyStatus.REJECTED if is_rejected else PolicyStatus.SHADOW,
            content=content,
            sha256=file_hash(content),
            signature=self.signing.sign(content),
            evidence=dict(evidence),
            created_at=now,
            shadow_until=None if is_rejected else until,
            ended_at=now if is_rejected else None,
        )
        self.change.session.add(row)
        await self.change.session.flush()
        return row

    async def end_shadow(
        self, row: AgentPolicy, promotion: Promotion, figures: Mapping[str, Any]
    ) -> None:
        """Carry out the verdict on a shadow period: reject, promote, or wait for the owner."""
        row.evidence = {**row.evidence, "shadow": dict(figures)}
        reasons = list(promotion.reasons)
        if promotion.verdict is Verdict.REJECT:
            row.status, row.ended_at = PolicyStatus.REJECTED, self.change.clock.now()
            await self._step(row, REJECTED, {**figures, "reasons": reasons})
        elif self.definition.learning.promotion is PromotionMode.AUTOMATIC:
            await self._activate(row, figures)
        elif row.status != PolicyStatus.READY:
            row.status = PolicyStatus.READY
            await self._step(row, READY, figures)

    async def promote(self, policy: str) -> AgentPolicy:
        """Promote a policy that passed its shadow period; repeating it changes nothing.

        Raises AgentPolicyNotFound, AgentPolicyNotReady.
        """
        row = await find_policy(self.change.session, self.agent, policy, is_locked=True)
        if row.status == PolicyStatus.ACTIVE:
            return row
        if row.status != PolicyStatus.READY:
            raise AgentPolicyNotReady(
                f"The policy is `{row.status}`; only one that passed its shadow period is promoted."
            )
        if usable_policy(row, binding_of(self.agent, self.definition)) is None:
            raise AgentPolicyNotReady("The policy was learned for another asset or other costs.")
        await self._activate(row, row.evidence.get("shadow", {}))
        return row

    async def roll_back(self, figures: Mapping[str, Any]) -> AgentPolicy:
        """Take back the active policy: the one before it decides again, or the expected cost.

        Raises AgentPolicyNotReady if no policy is active.
        """
        policies = await self.policies()
        row = with_status(policies, PolicyStatus.ACTIVE)
        if row is None:
            raise AgentPolicyNotReady("No learned policy is in use.")
        row.status, row.ended_at = PolicyStatus.ROLLED_BACK, self.change.clock.now()
        await self.change.session.flush()
        before = next((one for one in policies if one.id == row.previous_id), None)
        if before is not None and before.status == PolicyStatus.REPLACED:
            before.status, before.ended_at = PolicyStatus.ACTIVE, None
        number = None if before is None else before.number
        await self._step(row, ROLLED_BACK, {**figures, "decides": number})
        return row

    async def policies(self) -> Sequence[AgentPolicy]:
        """Return the agent's policies, the newest first."""
        return await list_policies(self.change.session, self.agent.account_id, self.agent.id)

    async def _activate(self, row: AgentPolicy, figures: Mapping[str, Any]) -> None:
        """Make a policy the one that decides."""
        now = self.change.clock.now()
        before = with_status(await self.policies(), PolicyStatus.ACTIVE)
        if before is not None:
            before.status, before.ended_at = PolicyStatus.REPLACED, now
            row.previous_id = before.id
        await self.change.session.flush()
        row.status, row.promoted_at = PolicyStatus.ACTIVE, now
        await self._step(row, PROMOTED, figures)

    async def _step(self, row: AgentPolicy, step: str, figures: Mapping[str, Any]) -> None:
        """Record a step."""
        await record_step(self.change, self.agent, row, step, figures)


async def lock_agent(session: AsyncSession, agent: Agent) -> Agent | None:
    """Lock and return an agent, so that its policies change one after the other."""
    query = select(Agent).where(
        col(Agent.id) == agent.id, col(Agent.account_id) == agent.account_id
    )
    return (await session.scalars(query.with_for_update())).one_or_none()


def candidate_figures(candidate: Candidate, promotion: Promotion) -> dict[str, Any]:
    """Return what a training came to, for storing."""
    off = candidate.off_policy
    return {
        "decisions": candidate.decisions,
        "periods": candidate.periods,
        "replay": interval_json(candidate.replay),
        "off_policy": None if off is None else interval_json(off.saving),
        "effective_decisions": 0.0 if off is None else round(off.effective_decisions, 1),
        "reasons": list(promotion.reasons),
    }
