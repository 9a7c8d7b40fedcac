"""What an agent's page says of its daily report and its savings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.savings.report import Situation, load_report
from gateway.agents.savings.savings import load_savings
from gateway.agents.store.agents import read_definition
from gateway.dashboard.pages.agents.views import DecisionView, decision_view
from gateway.tables.agents import Agent, AgentVersion
from infra.clock import Clock

_SHOWN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SituationView:
    """A situation of the report with the decision that explains it."""

    situation: Situation
    decision: DecisionView


async def load_saved(
    session: AsyncSession, clock: Clock, row: Agent, versions: Sequence[AgentVersion]
) -> dict[str, Any]:
    """Load the report since yesterday, and the savings of the last 90 days with their months."""
    today = clock.now().date()
    report = await load_report(session, clock, row)
    saved = await load_savings(session, clock, row, today - _SHOWN, today)
    known = {one.version: one.definition for one in versions}
    step = read_definition(row.definition).outlook_step
    return {
        "report": report,
        "situations": [_situation(one, known) for one in report.situations],
        "saved": saved,
        "saved_results": tuple(reversed(saved.total.results)),
        "ledger_event": "" if step is None else step.event,
    }


def _situation(one: Situation, known: Mapping[int, object]) -> SituationView:
    """Return a situation with its decision, by the definition of its version."""
    return SituationView(one, decision_view(one.first, read_definition(known[one.first.version])))
