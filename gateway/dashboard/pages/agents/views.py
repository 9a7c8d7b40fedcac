"""What an agent's page says of decisions, days, actions and money; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.agents.assessment import Assessment
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.public_ids import ACTION
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.state import Spending
from gateway.agents.warnings.finding import without_learned
from gateway.tables.agents import Agent, AgentAction, AgentActionStatus, AgentDay, AgentTick
from infra import ids

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision with its reasons.

    rules: those that were not quiet. costs: expected cost by action in nano-units, the cheapest
    first. sides: above or below by name of the rule. horizon_s: how far ahead the failure
    probability looks, None without a prediction.
    """

    tick: AgentTick
    assessment: Assessment
    rules: Sequence[RuleResult]
    costs: Sequence[tuple[str, int]]
    sides: Mapping[str, str]
    horizon_s: float | None
    request_id: str | None
    template: str = ""


@dataclass(frozen=True, slots=True)
class ActionView:
    """An action of an agent with the decision that it rests on."""

    id: str
    row: AgentAction
    status: str
    due_at: datetime | None
    decision: DecisionView | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for approval."""
        return self.status == AgentActionStatus.PROPOSED


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Sums of what an agent did on some days."""

    ticks: int = 0
    raised: int = 0
    predictions: int = 0
    decisions: int = 0
    actions: int = 0
    errors: int = 0
    cost_nano: int = 0


@dataclass(frozen=True, slots=True)
class SpentView:
    """What an agent spent in the current day and month, and which budget is used up, if any."""

    day_nano: int
    month_nano: int
    exhausted: str


def decision_view(tick: AgentTick, definition: AgentDefinition) -> DecisionView:
    """Return a decision with its reasons. definition: that of the tick's version."""
    assessment = msgspec.convert(tick.assessment, Assessment)
    results = [msgspec.convert(one, RuleResult) for one in tick.rules]
    costs = sorted(assessment.costs.items(), key=lambda one: one[1])
    step = definition.outlook_step
    request = tick.request_id
    return DecisionView(
        tick=tick,
        assessment=assessment,
        rules=[one for one in without_learned(results) if one.status is not RuleStatus.QUIET],
        costs=[(action, nano_of(cost)) for action, cost in costs],
        sides={rule.name: rule.comparison.value for rule in definition.rules},
        horizon_s=None if step is None else step.period_s * step.horizon,
        request_id=None if request is None else ids.format_id(REQUEST_ID_PREFIX, request),
        template=definition.template,
    )


def action_view(
    row: AgentAction, decisions: Mapping[Any, DecisionView], now: datetime
) -> ActionView:
    """Return an action; a proposal that nobody approved in time is expired."""
    is_late = row.status == AgentActionStatus.PROPOSED and row.expires_at < now
    due = row.content.get("due_at")
    return ActionView(
        id=ids.format_id(ACTION, row.id),
        row=row,
        status=AgentActionStatus.EXPIRED.value if is_late else row.status,
        due_at=None if due is None else datetime.fromisoformat(due),
        decision=decisions.get(row.tick_id),
    )


def sum_days(days: Iterable[AgentDay]) -> DayCounts:
    """Return the sums of days."""
    rows = list(days)
    return DayCounts(*(sum(getattr(day, one.name) for day in rows) for one in fields(DayCounts)))


def spent_view(row: Agent, definition: AgentDefinition, now: datetime) -> SpentView:
    """Return what an agent spent, by day and month in UTC."""
    spending = Spending(row.spent_day, row.spent_day_nano, row.spent_month_nano).at(now.date())
    budget, exhausted = definition.budget, ""
    if spending.month_nano >= budget.per_month_nano:
        exhausted = "month"
    elif spending.day_nano >= budget.per_day_nano:
        exhausted = "day"
    calls = definition.prediction is not None
    return SpentView(spending.day_nano, spending.month_nano, exhausted if calls else "")


def nano_of(cost: float) -> int:
    """Return a cost that an owner stated, or an expected one, in nano-units."""
    return round(cost * _NANO)
