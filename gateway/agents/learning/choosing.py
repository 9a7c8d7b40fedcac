"""Choose the action of a tick by the learned policy, and log what can be learned from; pure.

    expected cost -> active policy, if any -> exploration, if the owner allows it -> action
                  -> policy in its shadow period: recorded, never acted upon

The draw depends on agent, version and time of the tick only, so that a tick that is repeated after
a crash decides the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
import numpy as np

from gateway.agents.assessment import Assessment
from gateway.agents.definitions.learning import Learning
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.learning.features import allowed_actions, features_of
from gateway.agents.rules import RuleResult
from models.policies.learned.outcomes import ACTIONS
from models.policies.learned.policy import LearnedPolicy
from models.policies.maintenance.policy import Action


@dataclass(frozen=True, slots=True)
class UsablePolicy:
    """A stored policy that was learned for this agent, its asset and its costs."""

    id: UUID
    number: int
    policy: LearnedPolicy


@dataclass(frozen=True, slots=True)
class Learned:
    """The policies of an agent: the one in use, and the one in its shadow period."""

    active: UsablePolicy | None = None
    shadow: UsablePolicy | None = None


NOTHING_LEARNED = Learned()


@dataclass(frozen=True, slots=True)
class Choice:
    """What is logged of a decision. reference: the action by expected cost or by rules alone."""

    features: Mapping[str, float]
    allowed: tuple[Action, ...]
    action: Action
    reference: Action
    propensity: float
    policy_id: UUID | None = None
    shadow: Action | None = None
    shadow_policy_id: UUID | None = None


def choose(
    definition: AgentDefinition,
    learned: Learned,
    results: Sequence[RuleResult],
    assessment: Assessment,
    seed: str,
) -> tuple[Assessment, Choice | None]:
    """Return the decision with the chosen action, and what is logged; None if nothing is."""
    if not definition.learning.enabled:
        return assessment, None
    features = features_of(definition, assessment, results)
    if features is None:
        return assessment, None
    allowed = allowed_actions(assessment)
    best = action_of(learned.active, features, allowed, assessment.action)
    action, propensity = _explored(definition.learning, assessment, allowed, best, seed)
    shadow = learned.shadow
    choice = Choice(
        features=features,
        allowed=allowed,
        action=action,
        reference=assessment.action,
        propensity=propensity,
        policy_id=None if learned.active is None else learned.active.id,
        shadow=None if shadow is None else action_of(shadow, features, allowed, assessment.action),
        shadow_policy_id=None if shadow is None else shadow.id,
    )
    number = 0 if learned.active is None or action is not best else learned.active.number
    return _with_action(assessment, choice, number), choice


def action_of(
    usable: UsablePolicy | None,
    features: Mapping[str, float],
    allowed: Sequence[Action],
    reference: Action,
) -> Action:
    """Return the action of a policy; without one, or for other features, that of reference."""
    if usable is None or set(usable.policy.features) != set(features):
        return reference
    context = np.array([[features[name] for name in usable.policy.features]])
    permitted = np.array([[action in allowed for action in ACTIONS]])
    chosen = usable.policy.choose(context, permitted, np.array([ACTIONS.index(reference)]))
    return ACTIONS[int(chosen[0])]


def _explored(
    learning: Learning,
    assessment: Assessment,
    allowed: Sequence[Action],
    best: Action,
    seed: str,
) -> tuple[Action, float]:
    """Return an action with its probability: the best one, or rarely one that costs little more."""
    costs = assessment.costs
    if not learning.exploration or best.value not in costs:
        return best, 1.0
    most = costs[best.value] + learning.explore_within
    others = [
        one
        for one in allowed
        if one is not best and one.value in costs and costs[one.value] <= most
    ]
    if not others:
        return best, 1.0
    digest = hashlib.sha256(seed.encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8]))
    if random.random() >= learning.exploration:
        return best, 1.0 - learning.exploration
    return others[int(random.integers(len(others)))], learning.exploration / len(others)


def _with_action(assessment: Assessment, choice: Choice, number: int) -> Assessment:
    """Return the decision with another action; a stop is due now."""
    if choice.action is assessment.action:
        return assessment
    due = 0.0 if choice.action is Action.STOP else assessment.stop_in_s
    return msgspec.structs.replace(
        assessment, action=choice.action, stop_in_s=due, chosen_by=number
    )
