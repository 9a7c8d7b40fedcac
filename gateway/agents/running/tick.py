"""One tick of an agent: predict where it is needed, and decide; nothing is written here.

    rules, answers of a round -> (steps) -> (specialist) -> assessment -> plan -> (texts)

Cheap rules come first. Steps and the specialist are called if the definition asks for it and the
budget of the tick, the day and the month allows it; a language model only if something was raised,
or a text is required.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from gateway.agents.assessment import (
    Assessment,
    PredictionUnreadable,
    assess_prediction,
    assess_rules,
    assess_without_specialist,
)
from gateway.agents.definitions.values import AgentDefinition, PredictionStep, PredictWhen
from gateway.agents.learning.choosing import NOTHING_LEARNED, Choice, Learned, choose
from gateway.agents.orders.drafting import OrderInput
from gateway.agents.planning import Plan, plan_actions, situation_of
from gateway.agents.rounds.processing import RoundInput
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.running.prediction_call import AgentCall, Predicted, PredictionFailed, predict
from gateway.agents.state import AgentState, Spending
from gateway.agents.steps.values import BUDGET_EXHAUSTED, CallBudget
from gateway.agents.steps.work import NO_WORK, TickWork, work_before, write_texts
from gateway.agents.warnings.finding import WarningFinding
from gateway.inference.pipeline_client import PipelineClient
from gateway.tables.agents import Agent
from models.policies.maintenance.policy import Action

Reserve = Callable[[int], Awaitable[int]]
UNREADABLE = "prediction_unreadable"


@dataclass(frozen=True, slots=True)
class TickInput:
    """A claimed agent with what was observed for it. chain: agents that wait for this tick."""

    agent: Agent
    definition: AgentDefinition
    state: AgentState
    results: tuple[RuleResult, ...]
    at: datetime
    chain: tuple[str, ...] = ()
    learned: Learned = NOTHING_LEARNED
    round: RoundInput | None = None
    order: OrderInput | None = None
    language: str = "en"
    warning: WarningFinding | None = None

    def with_warning(self, found: WarningFinding | None) -> "TickInput":
        """Return the tick with what a learned warning rule says, as a result among the others."""
        if found is None:
            return self
        return replace(self, warning=found, results=(*self.results, found.result))

    @property
    def is_quiet(self) -> bool:
        """Whether rules alone decide that nothing is to be done and nothing changed."""
        if self.definition.board is not None and self.definition.board.is_quiet:
            return True
        step = self.definition.prediction
        calls = step is not None and step.when is PredictWhen.ALWAYS
        if self.definition.schedule is not None:
            return False
        if calls or self.order is not None or self.definition.toolset.always_runs:
            return False
        if self.definition.warning is not None and not self._is_warning_quiet:
            return False
        if self.round is not None:
            # Answers stay raised until the next round: they are decided about once.
            told = situation_of(assess_rules((*self.results, *self.round.results)))
            return not self.round.is_new and told == self.state.told
        return not self.state.told and all(
            one.status in (RuleStatus.QUIET, RuleStatus.PENDING) for one in self.results
        )

    @property
    def _is_warning_quiet(self) -> bool:
        """Whether the learned warning asks for nothing, and its probability is not recorded."""
        step, found = self.definition.warning, self.warning
        is_recorded = step is not None and bool(step.event)
        if found is None or not found.is_usable:
            return not self.state.told
        decided = assess_without_specialist(self.definition, self.results, found)
        return not is_recorded and decided.action is Action.WAIT and not decided.order_part

    def chosen(self, assessment: Assessment) -> tuple[Assessment, Choice | None]:
        """Return the decision by the learned policy, and what is logged of it."""
        row = self.agent
        seed = f"{row.id}:{row.version}:{row.due_at.isoformat()}"
        return choose(self.definition, self.learned, self.results, assessment, seed)

    @property
    def may_call(self) -> bool:
        """Whether the tick may call a model or a tool."""
        step = self.definition.prediction
        predicts = step is not None and _must_predict(step, self.results)
        return predicts or bool(self.definition.toolset.steps or self.round or self.order)

    @property
    def since(self) -> dict[str, datetime]:
        """Since when rules are beyond their limits, for the next tick."""
        return {one.name: one.since for one in self.results if one.since is not None}


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """The decision of a tick. error: the code of what failed, if anything did.

    work: what was done beside the prediction.
    """

    assessment: Assessment
    plan: Plan
    predicted: Predicted | None = None
    error: str | None = None
    choice: Choice | None = None
    work: TickWork = NO_WORK

    @property
    def cost_nano(self) -> int:
        """What the calls of the tick have cost."""
        predicted = 0 if self.predicted is None else self.predicted.cost_nano
        return predicted + self.work.cost_nano


async def run_tick(
    client: PipelineClient, tick: TickInput, reserve: Reserve | None = None
) -> TickOutcome | PredictionFailed:
    """Return the outcome of a tick, or the failure that stops the agent or repeats the tick.

    reserve: sets aside what the calls may cost in the budget of the agent's team.
    """
    left_nano = affordable_nano(tick.definition, _spending(tick))
    if reserve is not None and left_nano > 0 and tick.may_call:
        left_nano = await reserve(left_nano)
    budget = CallBudget(client, AgentCall.of_tick(tick.agent), tick.agent.due_at, left_nano)
    work = await work_before(budget, tick.definition, tick.results, tick.round, tick.order)
    if isinstance(work, PredictionFailed):
        return work
    tick, budget = replace(tick, results=(*tick.results, *work.results)), budget.after(work.records)
    outcome = await _decided(budget, tick)
    if isinstance(outcome, PredictionFailed):
        return outcome
    budget = budget.less(outcome.cost_nano)
    written = await write_texts(budget, tick.definition, tick.results, tick.language)
    if isinstance(written, PredictionFailed):
        return written
    return replace(outcome, work=replace(work, records=(*work.records, *written)))


async def _decided(budget: CallBudget, tick: TickInput) -> TickOutcome | PredictionFailed:
    """Return the decision of a tick, with a prediction where it is needed."""
    step = tick.definition.prediction
    if step is None or not _must_predict(step, tick.results):
        return _by_rules(tick)
    if budget.left_nano <= 0:
        return _by_rules(tick, BUDGET_EXHAUSTED)
    found = await predict(
        budget.client, budget.call, step, tick.definition.asset, budget.at, budget.left_nano
    )
    if isinstance(found, PredictionFailed):
        return found if found.stops or found.waits else _by_rules(tick, found.code)
    try:
        assessment = assess_prediction(tick.definition, step, tick.results, found.prediction)
    except PredictionUnreadable:
        return _by_rules(tick, UNREADABLE, found)
    assessment, choice = tick.chosen(msgspec.structs.replace(assessment, warning=tick.warning))
    plan = plan_actions(tick.definition, assessment, tick.state, tick.at)
    return TickOutcome(assessment, plan, found, choice=choice)


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
    """Return the outcome without a usable prediction of a specialist."""
    by_rules = assess_without_specialist(tick.definition, tick.results, tick.warning)
    assessment, choice = tick.chosen(by_rules)
    plan = plan_actions(tick.definition, assessment, tick.state, tick.at)
    return TickOutcome(assessment, plan, predicted, error, choice)
