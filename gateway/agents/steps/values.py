"""What the steps of a tick came to, and what they may still cost."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.agents.rules import RuleResult
from gateway.agents.running.prediction_call import AgentCall
from gateway.inference.pipeline_client import PipelineClient

BUDGET_EXHAUSTED, UNREADABLE = "agent_budget_exhausted", "output_unreadable"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One call: whose step it was, what it gave, its usage row and cost, and what failed."""

    name: str
    model: str
    output: dict[str, Any]
    request_id: UUID | None = None
    cost_nano: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CallBudget:
    """Who pays for the calls of a tick, and what they may still cost in all, in nano-units.

    at: the tick's time, which is part of the idempotency keys.
    """

    client: PipelineClient
    call: AgentCall
    at: datetime
    left_nano: int

    def after(self, records: tuple[StepRecord, ...]) -> "CallBudget":
        """Return the budget after some calls."""
        return self.less(sum(one.cost_nano for one in records))

    def less(self, cost_nano: int) -> "CallBudget":
        """Return the budget after a call of this cost."""
        return replace(self, left_nano=self.left_nano - cost_nano)

    def named(self, purpose: str) -> AgentCall:
        """Return the call for a purpose within the tick."""
        return replace(self.call, purpose=purpose)


@dataclass(frozen=True, slots=True)
class StepsRun:
    """The results of steps, which raise like rules, and the records of their calls."""

    results: tuple[RuleResult, ...] = ()
    records: tuple[StepRecord, ...] = ()

    def plus(self, other: "StepsRun") -> "StepsRun":
        """Return both runs as one."""
        return StepsRun(self.results + other.results, self.records + other.records)
