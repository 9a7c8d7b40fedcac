"""From a specialist's answer to the verdict of a member; pure."""

from uuid import UUID

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.agents.assessment import Assessment, PredictionUnreadable, read_outlook
from gateway.agents.board.contract_net.values import Verdict
from gateway.agents.definitions.board import BoardRole
from gateway.agents.definitions.values import PredictionStep
from gateway.agents.public_ids import AGENT
from gateway.agents.running.prediction_call import Predicted
from gateway.tables.agents import Agent
from infra import ids

_DIGITS = 9


def make_verdict(
    agent: Agent, role: BoardRole, assessment: Assessment, step: PredictionStep | None,
    predicted: Predicted | None,
) -> Verdict:  # fmt: skip
    """Return the verdict of a member from its decision, and the call that it rests on, if any."""
    plain = Verdict(
        agent=ids.format_id(AGENT, agent.id),
        name=agent.name,
        role=role.value,
        version=agent.version,
        action=assessment.action.value,
        raised=assessment.raised,
    )
    failures = _failures(step, predicted)
    if step is None or predicted is None or not failures:
        return plain
    return Verdict(
        agent=plain.agent,
        name=plain.name,
        role=plain.role,
        version=plain.version,
        action=plain.action,
        raised=plain.raised,
        probability=round(sum(failures), _DIGITS),
        failures=failures,
        horizon=step.horizon,
        period_s=step.period_s,
        model=step.model,
        request_id=_request_text(predicted.request_id),
    )


def _failures(step: PredictionStep | None, predicted: Predicted | None) -> tuple[float, ...]:
    """Return the probability of a failure by period; empty without a usable answer."""
    if step is None or predicted is None:
        return ()
    try:
        outlook = read_outlook(step, predicted.prediction)
    except PredictionUnreadable:
        return ()
    # Rounded down, so that the sum stays at most 1.
    return tuple(int(float(one) * 10**_DIGITS) / 10**_DIGITS for one in outlook.failures)


def _request_text(request_id: UUID | None) -> str | None:
    """Return the public id of a call."""
    return None if request_id is None else ids.format_id(REQUEST_ID_PREFIX, request_id)
