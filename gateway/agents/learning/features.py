"""The features of a situation that a policy learns from: prediction and distance to limits; pure.

failure_probability   as the specialist states it; only for agents with a specialist
rule:NAME             (reading - limit) / |limit|, positive beyond the limit, from -1 to 3
"""

from collections.abc import Mapping, Sequence

from gateway.agents.assessment import Assessment, Basis
from gateway.agents.definitions.values import AgentDefinition, Comparison
from gateway.agents.rules import RuleResult, RuleStatus
from models.policies.learned.outcomes import ACTIONS
from models.policies.maintenance.policy import Action

PROBABILITY, RULE = "failure_probability", "rule:"
# Failures are looked for within this time if no specialist states a horizon.
DEFAULT_HORIZON_S = 7 * 86_400.0
_LOWEST, _HIGHEST = -1.0, 3.0
_USABLE = frozenset({RuleStatus.QUIET, RuleStatus.PENDING, RuleStatus.RAISED})


def feature_names(definition: AgentDefinition) -> tuple[str, ...]:
    """Return the names of the features of an agent, in order."""
    rules = tuple(f"{RULE}{rule.name}" for rule in definition.rules)
    return rules if definition.outlook_step is None else (PROBABILITY, *rules)


def features_of(
    definition: AgentDefinition, assessment: Assessment, results: Sequence[RuleResult]
) -> Mapping[str, float] | None:
    """Return the features of a tick; None if it says too little to learn from.

    That is a tick whose specialist gave no answer, or in which no rule could be evaluated.
    """
    if definition.outlook_step is not None and assessment.basis is not Basis.PREDICTION:
        return None
    if assessment.basis is Basis.NOTHING or not any(one.status in _USABLE for one in results):
        if assessment.basis is not Basis.PREDICTION:
            return None
    found = {f"{RULE}{one.name}": 0.0 for one in results}
    sides = {rule.name: rule.comparison for rule in definition.rules}
    for one in results:
        if one.name not in sides:
            continue
        if one.status in _USABLE and one.value is not None and one.limit is not None:
            found[f"{RULE}{one.name}"] = excess(one.value, one.limit, sides[one.name])
    if assessment.failure_probability is not None:
        found[PROBABILITY] = assessment.failure_probability
    return {name: found[name] for name in feature_names(definition) if name in found}


def excess(value: float, limit: float, side: Comparison) -> float:
    """Return how far a value is beyond a limit, as a share of the limit, within bounds."""
    distance = (value - limit) / max(abs(limit), 1e-9)
    signed = distance if side is Comparison.ABOVE else -distance
    return round(min(max(signed, _LOWEST), _HIGHEST), 6)


def allowed_actions(assessment: Assessment) -> tuple[Action, ...]:
    """Return the actions that a policy may choose: rules alone never stop a machine."""
    return ACTIONS if assessment.basis is Basis.PREDICTION else ACTIONS[:2]


def horizon_of(definition: AgentDefinition) -> float:
    """Return how many seconds after a decision a failure counts for it."""
    step = definition.outlook_step
    return DEFAULT_HORIZON_S if step is None else step.period_s * step.horizon
