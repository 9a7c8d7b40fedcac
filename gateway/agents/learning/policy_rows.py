"""Policies of agents as rows: write, verify, and load those that may decide."""

import hmac
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learned_files import file_hash
from gateway.agents.learning.choosing import NOTHING_LEARNED, Learned, UsablePolicy
from gateway.agents.learning.errors import (
    AgentPolicyForeign,
    AgentPolicyInvalid,
    AgentPolicyNotFound,
)
from gateway.agents.public_ids import AGENT
from gateway.plant.assets.ids import ASSET
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentPolicy, PolicyStatus
from infra import ids
from infra.secrets.signing_key import SigningKey
from models.policies.learned.policy import LearnedPolicy
from models.policies.learned.policy_file import (
    PolicyBinding,
    PolicyFileForeign,
    PolicyFileInvalid,
    fingerprint_of_costs,
    read_policy,
)

POLICY, PURPOSE = "apol", "agent policies"
IN_SHADOW = (PolicyStatus.SHADOW, PolicyStatus.READY)
_ACCOUNT = "acct"


def binding_of(agent: Agent, definition: AgentDefinition) -> PolicyBinding:
    """Return what policies of an agent are bound to."""
    return PolicyBinding(
        account=ids.format_id(_ACCOUNT, agent.account_id),
        agent=ids.format_id(AGENT, agent.id),
        asset=ids.format_id(ASSET, agent.asset_id),
        costs=fingerprint_of_costs(definition.costs),
    )


def read_signed(
    signing: SigningKey, content: bytes, signature: str, binding: PolicyBinding
) -> LearnedPolicy:
    """Return the policy of a file. Raises AgentPolicyInvalid, AgentPolicyForeign."""
    try:
        policy = read_policy(content, binding)
    except PolicyFileForeign as error:
        raise AgentPolicyForeign(str(error), param="content") from error
    except PolicyFileInvalid as error:
        raise AgentPolicyInvalid(str(error), param="content") from error
    if not hmac.compare_digest(signing.sign(content).encode(), signature.encode()):
        raise AgentPolicyInvalid(
            "The signature is not that of this installation: the file was changed, or written "
            "elsewhere.",
            param="signature",
        )
    return policy


def usable_policy(row: AgentPolicy, binding: PolicyBinding) -> UsablePolicy | None:
    """Return a stored policy; None if it was damaged, or learned for another asset or costs."""
    if file_hash(row.content) != row.sha256:
        return None
    try:
        return UsablePolicy(row.id, row.number, read_policy(row.content, binding))
    except PolicyFileInvalid:
        return None


async def load_learned(
    session: AsyncSession, account_id: UUID, agents: Sequence[tuple[Agent, AgentDefinition]]
) -> Mapping[UUID, Learned]:
    """Return the policies of agents that learn, by agent; those without any are missing."""
    learning = {one.id: (one, definition) for one, definition in agents
                if definition.learning.enabled}  # fmt: skip
    if not learning:
        return {}
    query = select(AgentPolicy).where(
        col(AgentPolicy.account_id) == account_id,
        col(AgentPolicy.agent_id).in_(list(learning)),
        col(AgentPolicy.status).in_((PolicyStatus.ACTIVE, *IN_SHADOW)),
    )
    found: dict[UUID, Learned] = {}
    for row in (await session.scalars(query)).all():
        usable = usable_policy(row, binding_of(*learning[row.agent_id]))
        before = found.get(row.agent_id, NOTHING_LEARNED)
        is_active = row.status == PolicyStatus.ACTIVE
        found[row.agent_id] = (
            Learned(usable, before.shadow) if is_active else Learned(before.active, usable)
        )
    return found


async def find_policy(
    session: AsyncSession, agent: Agent, policy: str, *, is_locked: bool = False
) -> AgentPolicy:
    """Return a policy of an agent. Raises AgentPolicyNotFound."""
    query = select(AgentPolicy).where(
        col(AgentPolicy.account_id) == agent.account_id,
        col(AgentPolicy.agent_id) == agent.id,
        col(AgentPolicy.id) == ids.parse_id(POLICY, policy),
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise AgentPolicyNotFound(f"The agent has no policy {policy[:60]!r}.", param="policy")
    return row


async def list_policies(
    session: AsyncSession, account_id: UUID, agent_id: UUID
) -> Sequence[AgentPolicy]:
    """Return the policies of an agent, the newest first."""
    query = (
        select(AgentPolicy)
        .where(col(AgentPolicy.account_id) == account_id, col(AgentPolicy.agent_id) == agent_id)
        .order_by(col(AgentPolicy.number).desc())
    )
    return (await session.scalars(query)).all()


def with_status(policies: Sequence[AgentPolicy], *statuses: PolicyStatus) -> AgentPolicy | None:
    """Return the newest policy with one of the statuses."""
    return next((one for one in policies if one.status in statuses), None)
