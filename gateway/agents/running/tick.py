"""One tick of an agent: predict where it is needed, and decide; nothing is written here.

    rules -> (specialist) -> assessment -> plan

Cheap rules come first. The specialist is called if the definition asks for it and the budget of the
tick, the day and the month allows it.
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.agents.assessment import (
    Assessment,
    PredictionUnreadable,
    assess_prediction,
    assess_rules,
)
from gateway.agents.definitions.values import AgentDefinition, PredictionStep, PredictWhen
from gateway.agents.planning import Plan, plan_actions
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.running.prediction_call import AgentCall, Predicted, PredictionFailed, predict
from gateway.agents.state import AgentState, Spending
from gateway.inference.pipeline_client import PipelineClient
from gateway.tables.agents import Agent

BUDGET_EXHAUSTED, UNREADABLE = "agent_budget_exhausted", "prediction_unreadable"


@dataclass(frozen=True, slots=True)
class TickInput:
    """A claimed agent with what was observed for it."""

    agent: Agent
    definition: AgentDefinition
    state: AgentState
    results: tuple[RuleResult, ...]
    at: datetime

    @property
    def is_quiet(self) -> bool:
        """Whether rules alone decide that nothing is to be done and nothing changed."""
        step = self.definition.prediction
        calls = step is not None and step.when is PredictWhen.ALWAYS
        return (
            not calls
            and not self.state.told
            and all(one.status in (RuleStatus.QUIET, RuleStatus.PENDING) for one in self.results)
        )

    @property
    def since(self) -> dict[str, datetime]:
        """Since when rules are beyond their limits, for the next tick."""
        return {one.name: one.since for one in self.results if one.since is not None}


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """The decision of a tick. error: the code of what failed, if anything did."""

    assessment: Assessment
    plan: Plan
    predicted: Predicted | None = None
    error: str | None = None


async def run_tick(client: PipelineClient, tick: TickInput) -> TickOutcome | PredictionFailed:
    """Return the outcome of a tick, or the failure that stops the agent or repeats the tick."""
    step = tick.definition.prediction
    if step is None or not _must_predict(step, tick.results):
        return _by_rules(tick)
    most_nano = affordable_nano(tick.definition, _spending(tick))
    if most_nano <= 0:
        return _by_rules(tick, BUDGET_EXHAUSTED)
    call, due_at = AgentCall.of_tick(tick.agent), tick.agent.due_at
    found = await predict(client, call, step, tick.definition.asset, due_at, most_nano)
    if isinstance(found, PredictionFailed):
        return found if found.stops or found.waits else _by_rules(tick, found.code)
    try:
        assessment = assess_prediction(tick.definition, step, tick.results, found.prediction)
    except PredictionUnreadable:
        return _by_rules(tick, UNREADABLE, found)
    plan = plan_actions(tick.definition, assessment, tick.state, tick.at)
    return TickOutcome(assessment, plan, found)


def affordable_nano(definition: AgentDefinition, spending: Spending) -> int:
    """Return what the call of a tick may cost at most."""
    budget = definition.budget
    return min(
        budget.per_tick_nano,
        budget.per_day_nano - spending.day_nano,
        budget.per_month_nano - spending.month_nano,
    )


def _must_predict(step: PredictionStep, results: tuple[RuleResult, ...]) -> bool:
    """Return whether the specialist is called."""
    is_raised = any(one.status is RuleStatus.RAISED for one in results)
    return step.when is PredictWhen.ALWAYS or is_raised


def _spending(tick: TickInput) -> Spending:
    """Return what the agent has spent in the day and month of the tick."""
    row = tick.agent
    stored = Spending(row.spent_day, row.spent_day_nano, row.spent_month_nano)
    return stored.at(tick.at.date())


def _by_rules(
    tick: TickInput, error: str | None = None, predicted: Predicted | None = None
) -> TickOutcome:
    """Return the outcome without a usable prediction."""
    assessment = assess_rules(tick.results)
    plan = plan_actions(tick.definition, assessment, tick.state, tick.at)
    return TickOutcome(assessment, plan, predicted, error)
