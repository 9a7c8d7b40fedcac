"""Steps with specialists and mechanisms: called by asset, raised like a rule by their output."""

from collections.abc import Sequence

from gateway.agents.definitions.tools import CHECKING, Step, StepWhen, Tool, Toolset
from gateway.agents.definitions.values import OutcomeKind, PredictionStep, PredictWhen
from gateway.agents.rules import RuleResult, RuleStatus
from gateway.agents.running.prediction_call import Predicted, PredictionFailed, predict
from gateway.agents.steps.values import (
    BUDGET_EXHAUSTED,
    UNREADABLE,
    CallBudget,
    StepRecord,
    StepsRun,
)

_PERIOD_S = 86_400.0


async def run_checks(
    budget: CallBudget, toolset: Toolset, asset: str, results: Sequence[RuleResult]
) -> StepsRun | PredictionFailed:
    """Run the steps in their order; one that is raised counts for the steps after it.

    Returns the failure of a call that stops the agent or repeats the tick.
    """
    run = StepsRun()
    for index, step in enumerate(toolset.checks):
        tool = toolset.find(step.tool, *CHECKING)
        is_due = step.when is StepWhen.ALWAYS or is_raised((*results, *run.results))
        if tool is None or not is_due:
            continue
        found = await _run_one(budget.after(run.records), step, tool, asset, index)
        if isinstance(found, PredictionFailed):
            return found
        run = run.plus(found)
    return run


def is_raised(results: Sequence[RuleResult]) -> bool:
    """Return whether any result is raised."""
    return any(one.status is RuleStatus.RAISED for one in results)


async def _run_one(
    budget: CallBudget, step: Step, tool: Tool, asset: str, index: int
) -> StepsRun | PredictionFailed:
    """Run one step. A call that failed for good leaves a step that could not be evaluated."""
    if budget.left_nano <= 0:
        return _failed(step, tool, BUDGET_EXHAUSTED)
    asked = PredictionStep(
        model=tool.model,
        when=PredictWhen.ALWAYS,
        outcome=OutcomeKind.PROBABILITY,
        output=step.output,
        period_s=_PERIOD_S,
        horizon=1,
        options=step.options,
    )
    call = budget.named(f"{budget.call.purpose}:s{index}")
    found = await predict(budget.client, call, asked, asset, budget.at, budget.left_nano)
    if isinstance(found, PredictionFailed):
        return found if found.stops or found.waits else _failed(step, tool, found.code)
    return read_step(step, tool, found)


def read_step(step: Step, tool: Tool, found: Predicted) -> StepsRun:
    """Return what an answer says of a step: whether its output is beyond the limit."""
    output = found.prediction.get(step.output)
    is_number = isinstance(output, int | float) and not isinstance(output, bool)
    record = StepRecord(
        name=step.name,
        model=tool.model,
        output={step.output: output},
        request_id=found.request_id,
        cost_nano=found.cost_nano,
        error=None if is_number else UNREADABLE,
    )
    if not isinstance(output, int | float) or not is_number:
        return StepsRun((_unusable(step),), (record,))
    value, limit = float(output), step.limit
    beyond = value > limit if step.above is not None else value < limit
    status = RuleStatus.RAISED if beyond else RuleStatus.QUIET
    result = RuleResult(name=step.name, status=status, tag=tool.model, value=value, limit=limit)
    return StepsRun((result,), (record,))


def _failed(step: Step, tool: Tool, code: str) -> StepsRun:
    """Return a step without an answer."""
    record = StepRecord(name=step.name, model=tool.model, output={}, error=code)
    return StepsRun((_unusable(step),), (record,))


def _unusable(step: Step) -> RuleResult:
    """Return the result of a step that could not be evaluated."""
    return RuleResult(name=step.name, status=RuleStatus.STALE, tag=step.tool)
