"""Savings of agents as the API and the CLI show them."""

from typing import Any

from billing.money import nano_text
from gateway.agents.public_ids import AGENT
from gateway.agents.savings.report import AgentReport, Situation
from gateway.agents.savings.savings import Savings
from gateway.agents.savings.values import Bounds, PeriodSavings, Result, ResultStatus
from gateway.agents.views import action_json, tick_json
from gateway.tables.agents import Agent
from infra import ids


def savings_json(row: Agent, savings: Savings) -> dict[str, Any]:
    """Return the savings of an agent: the whole range, its periods, and each recommendation."""
    return {
        "object": "agent.savings",
        "agent": ids.format_id(AGENT, row.id),
        "currency": savings.currency,
        "interval": savings.interval.value,
        "total": period_json(savings.total),
        "periods": [period_json(one) for one in savings.periods],
        "recommendations": [_result_json(one) for one in reversed(savings.total.results)],
    }


def report_json(row: Agent, report: AgentReport) -> dict[str, Any]:
    """Return the report of an agent: sums, situations with their reasons, and actions."""
    return {
        "object": "agent.report",
        "agent": ids.format_id(AGENT, row.id),
        "currency": report.currency,
        **period_json(report.period),
        "situations": [_situation_json(one) for one in report.situations],
        "acted": [action_json(one) for one in report.actions],
    }


def period_json(period: PeriodSavings) -> dict[str, Any]:
    """Return what an agent did, cost and saved in a period; unknown amounts are null."""
    activity, observed = period.activity, period.observed
    return {
        "from": period.starts_at.isoformat(),
        "to": period.ends_at.isoformat(),
        "ticks": activity.ticks,
        "predictions": activity.predictions,
        "actions": activity.actions,
        "errors": activity.errors,
        "cost": nano_text(activity.cost_nano),
        "recommendations": len(period.results),
        "carried_out": sum(bool(one.recommendation.acted) for one in period.results),
        "expected_saving": _amount(period.expected_nano),
        "observed_saving": _bounds_json(observed),
        **{status.value: period.count(status) for status in ResultStatus},
        "missed": len(period.missed),
    }


def _situation_json(situation: Situation) -> dict[str, Any]:
    """Return a situation: its first tick, the time of its last one, and their number."""
    return {
        "ticks": situation.ticks,
        "until": situation.until.isoformat(),
        "first": tick_json(situation.first),
    }


def _result_json(result: Result) -> dict[str, Any]:
    """Return a recommendation with what became of it."""
    one, event = result.recommendation, result.event
    return {
        "tick": one.tick,
        "at": one.at.isoformat(),
        "horizon_to": one.until.isoformat(),
        "action": one.action.value,
        "carried_out": one.acted,
        "expected_saving": _amount(one.expected_nano),
        "status": result.status.value,
        "observed_saving": _bounds_json(result.saved),
        "event": None
        if event is None
        else {"id": event.id, "at": event.at.isoformat(), "source": event.source.value},
    }


def _bounds_json(bounds: Bounds | None) -> dict[str, str] | None:
    """Return the bounds of an amount; None if it is not yet known."""
    if bounds is None:
        return None
    return {"from": nano_text(bounds.lower_nano), "to": nano_text(bounds.upper_nano)}


def _amount(nano: int | None) -> str | None:
    """Return an amount as text, None for None."""
    return None if nano is None else nano_text(nano)
