"""The logged decisions of an agent whose outcome is known, as columns for learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learning.choosing import UsablePolicy, action_of
from gateway.agents.learning.features import feature_names
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentDecision
from models.policies.bandits.logged import Indices
from models.policies.learned.decisions import KnownDecisions
from models.policies.learned.outcomes import ACTIONS, costs_of_outcome
from models.policies.maintenance.policy import Action

MAX_DECISIONS = 20_000
# Decisions of a day belong together, and those that one failure would decide.
_MIN_PERIOD_S = 86_400.0


@dataclass(frozen=True, slots=True)
class History:
    """The known decisions of an agent in order of time, with its definition of now.

    known_count: all decisions about its asset with known outcome, also older ones and those with
    other features.
    """

    definition: AgentDefinition
    rows: Sequence[AgentDecision]
    known_count: int

    def known(
        self, rows: Sequence[AgentDecision], before: UsablePolicy | None = None
    ) -> KnownDecisions:
        """Return rows as columns. before: the policy whose actions are the reference.

        Without one, the reference is the action by expected cost.
        """
        names, costs = feature_names(self.definition), self.definition.costs
        table = np.array([costs_of_outcome(fault, costs) for fault in (False, True)])
        actions = np.array([ACTIONS.index(Action(row.action)) for row in rows], dtype=np.intp)
        faults = np.array([bool(row.fault) for row in rows], dtype=np.bool_)
        return KnownDecisions(
            contexts=np.array([[row.features[name] for name in names] for row in rows]).reshape(
                len(rows), len(names)
            ),
            actions=actions,
            references=_references(rows, before),
            propensities=np.array([row.propensity for row in rows]),
            faults=faults,
            costs=_costs(rows, table, actions),
            allowed=np.array(
                [[one.value in row.allowed for one in ACTIONS] for row in rows], dtype=np.bool_
            ).reshape(len(rows), len(ACTIONS)),
            blocks=_periods(rows),
            outcome_costs=table,
        )


async def count_known(session: AsyncSession, agent: Agent) -> int:
    """Return the number of all decisions about the agent's asset with known outcome."""
    query = select(func.count()).select_from(AgentDecision).where(*_are_known(agent))
    return (await session.scalars(query)).one()


async def load_history(
    session: AsyncSession, agent: Agent, definition: AgentDefinition, known_count: int
) -> History:
    """Return the newest known decisions about the agent's asset with its features of now."""
    query = (
        select(AgentDecision)
        .where(*_are_known(agent))
        .order_by(col(AgentDecision.decided_at).desc())
        .limit(MAX_DECISIONS)
    )
    names = set(feature_names(definition))
    rows = [one for one in (await session.scalars(query)).all() if set(one.features) == names]
    return History(definition, rows[::-1], known_count)


def _are_known(agent: Agent) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of decisions about the agent's asset with known outcome."""
    return (
        col(AgentDecision.account_id) == agent.account_id,
        col(AgentDecision.agent_id) == agent.id,
        col(AgentDecision.asset_id) == agent.asset_id,
        col(AgentDecision.fault).is_not(None),
    )


def chosen_by(rows: Sequence[AgentDecision], policy_id: UUID) -> list[AgentDecision]:
    """Return the decisions that a policy took."""
    return [one for one in rows if one.policy_id == policy_id]


def shadowed_by(rows: Sequence[AgentDecision], policy_id: UUID) -> list[AgentDecision]:
    """Return the decisions beside which a policy decided in its shadow period."""
    return [one for one in rows if one.shadow_policy_id == policy_id and one.shadow]


def shadow_actions(rows: Sequence[AgentDecision]) -> Indices:
    """Return the recorded actions of a shadow period."""
    found = [ACTIONS.index(Action(one.shadow or one.reference)) for one in rows]
    return np.array(found, dtype=np.intp)


def _references(rows: Sequence[AgentDecision], before: UsablePolicy | None) -> Indices:
    """Return the actions of the policy before, or those by expected cost."""
    found = [
        action_of(
            before,
            row.features,
            [Action(one) for one in row.allowed],
            Action(row.reference),
        )
        for row in rows
    ]
    return np.array([ACTIONS.index(one) for one in found], dtype=np.intp)


def _costs(rows: Sequence[AgentDecision], table: np.ndarray, actions: Indices) -> np.ndarray:
    """Return what each action cost; that of the action taken as stated, if a person stated it."""
    costs = np.array([table[int(bool(row.fault))] for row in rows]).reshape(len(rows), len(ACTIONS))
    for number, row in enumerate(rows):
        if row.cost is not None:
            costs[number, actions[number]] = row.cost
    return costs


def _periods(rows: Sequence[AgentDecision]) -> Indices:
    """Return the number of the period of each decision: of a day, or of the horizon if longer."""
    if not rows:
        return np.array([], dtype=np.intp)
    length = max(_MIN_PERIOD_S, *(row.horizon_s for row in rows))
    return np.array([int(row.decided_at.timestamp() // length) for row in rows], dtype=np.intp)
