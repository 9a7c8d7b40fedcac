"""The daily report of an agent: an e-mail and an event with what it did, cost and saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import minor_text, nano_text, round_to_minor
from billing.notifications.messages import EmailNotice
from billing.notifications.model_events import enqueue_model_event
from infra.clock import Clock

REPORTED_EVENT = "agent.reported"
_PAGE = "/dashboard/agents"
_UNKNOWN = "–"
_COUNTS = ("ticks", "predictions", "recommendations", "actions", "errors")


@dataclass(frozen=True, slots=True)
class AgentReportNotice:
    """A daily report. `day` is that of the account, of which one report is sent.

    counts: of ticks, predictions, recommendations, actions and errors. Amounts are in nano-units;
    None is not yet known. observed_nano: the bounds of the observed saving.
    """

    account_id: UUID
    agent: str
    name: str
    asset: str
    day: str
    since: datetime
    currency: str
    counts: Mapping[str, int]
    cost_nano: int
    expected_nano: int | None
    observed_nano: tuple[int, int] | None


async def enqueue_agent_report(
    session: AsyncSession, clock: Clock, report: AgentReportNotice
) -> None:
    """Enqueue e-mail and event of a daily report, each once a day."""
    values = {
        "name": report.name,
        "asset": report.asset,
        "since": report.since.strftime("%Y-%m-%d %H:%M"),
        **{name: str(report.counts[name]) for name in _COUNTS},
        "cost": _exact_text(report.cost_nano, report.currency),
        "expected": _amount_text(report.expected_nano, report.currency),
        "observed": _range_text(report.observed_nano, report.currency),
    }
    await enqueue_model_event(
        session,
        clock,
        report.account_id,
        f"agent_report:{report.agent}:{report.day}",
        REPORTED_EVENT,
        EmailNotice("agent_report", values),
        _data(report),
        f"{_PAGE}/{report.agent}",
    )


def _data(report: AgentReportNotice) -> dict[str, Any]:
    """Return the content of the event."""
    expected, observed = report.expected_nano, report.observed_nano
    return {
        "agent": report.agent,
        "name": report.name,
        "asset": report.asset,
        "since": report.since.isoformat(),
        "currency": report.currency,
        **{name: report.counts[name] for name in _COUNTS},
        "cost": nano_text(report.cost_nano),
        "expected_saving": None if expected is None else nano_text(expected),
        "observed_saving": None
        if observed is None
        else {"from": nano_text(observed[0]), "to": nano_text(observed[1])},
    }


def _exact_text(nano: int, currency: str) -> str:
    """Return the cost of calls, which may be far below a cent, without trailing zeros."""
    major, _, fraction = nano_text(nano).partition(".")
    return f"{major}.{fraction.rstrip('0').ljust(2, '0')} {currency}"


def _amount_text(nano: int | None, currency: str) -> str:
    """Return an amount to the cent, a dash if it is not known."""
    if nano is None:
        return _UNKNOWN
    return f"{minor_text(round_to_minor(nano, currency).minor, currency)} {currency}"


def _range_text(nano: tuple[int, int] | None, currency: str) -> str:
    """Return the bounds of an amount, one if they are equal."""
    if nano is None:
        return _UNKNOWN
    lower, upper = (_amount_text(one, currency) for one in nano)
    return lower if lower == upper else f"{lower} … {upper}"
