"""The event of an evaluation that has ended."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.ext.asyncio import AsyncSession

from billing.events.emission import Event, emit_event
from billing.events.texts import event_texts
from gateway.tables import EvaluationRun, EvaluationStatus
from infra.clock import Clock

# OpenAI's names; a run that stopped before its last question counts as failed.
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        EvaluationStatus.COMPLETED: "eval.run.succeeded",
        EvaluationStatus.CANCELLED: "eval.run.canceled",
    }
)


async def emit_run_ended(
    session: AsyncSession, clock: Clock, run: EvaluationRun, name: str
) -> None:
    """Emit `eval.run.succeeded`, `.failed` or `.canceled`; `name` is the run's public id.

    A resumed run ends a second time, which is an event of its own.
    """
    event_type = _TYPES.get(run.status, "eval.run.failed")
    reason = str((run.error or {}).get("message", ""))
    data = {
        "id": name,
        "status": run.status,
        "name": run.name,
        "model": run.model,
        "against": run.against,
        "error": reason or None,
    }
    texts = event_texts(event_type, {"name": run.name, "model": run.model, "reason": reason})
    page = f"/dashboard/evaluations/{name}"
    key = f"{event_type}:{run.id}:{clock.now():%Y%m%dT%H%M%S%f}"
    await emit_event(session, clock, Event(run.account_id, event_type, key, data, texts, page))
