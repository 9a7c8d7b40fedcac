"""Decisions, plans, learned schedules and savings as the API, the CLI and ticks show them."""

from datetime import datetime
from typing import Any

from billing.money import nano_text
from gateway.agents.public_ids import AGENT
from gateway.agents.scheduling.deciding import ScheduleDecision
from gateway.agents.scheduling.levels import TankLevel
from gateway.agents.scheduling.planning import Plan
from gateway.agents.scheduling.policy_store import POLICY
from gateway.plant.assets.ids import ASSET
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import AgentScheduleDay, AgentSchedulePolicy
from infra import ids

_DIGITS = 4


def decision_json(found: ScheduleDecision) -> dict[str, Any]:
    """Return a decision with its figures, without the slots of its plan."""
    plan, usual = found.plan, found.by_hysteresis
    return {
        "status": found.status.value,
        "reason": found.reason,
        "level": _level(found.level),
        "pumps_running": found.running,
        "pumps_wanted": found.wanted,
        "policy": found.policy,
        "policy_error": found.policy_error,
        "currency": found.currency,
        "expected_cost": None if plan is None else round(plan.cost, _DIGITS),
        "expected_cost_hysteresis": None if usual is None else round(usual.cost, _DIGITS),
        "expected_saving": None if found.saving is None else round(found.saving, _DIGITS),
        "set_points": [
            {"point": one.point, "value": one.value, "unit": one.unit} for one in found.set_points
        ],
        "switches": [] if plan is None else _switches(plan),
    }


def schedule_json(agent: Agent, found: ScheduleDecision) -> dict[str, Any]:
    """Return the plan of an agent: its decision, and each slot of the horizon."""
    return {
        "object": "agent.schedule",
        "agent": ids.format_id(AGENT, agent.id),
        **decision_json(found),
        "plan": [] if found.plan is None else _slots(found.plan),
        "plan_hysteresis": [] if found.by_hysteresis is None else _slots(found.by_hysteresis),
    }


def policy_json(row: AgentSchedulePolicy, shadow: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a learned schedule. shadow: its days in the shadow, and what it lacks."""
    return {
        "id": ids.format_id(POLICY, row.id),
        "object": "agent.schedule_policy",
        "agent": ids.format_id(AGENT, row.agent_id),
        "asset": ids.format_id(ASSET, row.asset_id),
        "version": row.version,
        "status": row.status,
        "days": row.days,
        "sha256": row.sha256,
        "pumps": row.pumps,
        "report": row.report,
        "error": row.error,
        "shadow": shadow,
        "created_by": row.created_by,
        "decided_by": row.decided_by,
        "created_at": _time(row.created_at),
        "shadow_at": _time(row.shadow_at),
        "active_at": _time(row.active_at),
        "ended_at": _time(row.ended_at),
    }


def schedule_day_json(row: AgentScheduleDay) -> dict[str, Any]:
    """Return a local day of operation with what it saved; without figures if `reason` is set."""
    has_figures = row.reason is None

    def amount(nano: int | None) -> str | None:
        """Return an amount, None for a day without figures."""
        return nano_text(nano) if has_figures and nano is not None else None

    return {
        "object": "agent.schedule_day",
        "agent": ids.format_id(AGENT, row.agent_id),
        "day": row.day.isoformat(),
        "currency": row.currency,
        "policy": None if row.policy_id is None else ids.format_id(POLICY, row.policy_id),
        "shadow_policy": None if row.shadow_id is None else ids.format_id(POLICY, row.shadow_id),
        "reason": row.reason,
        "cost": amount(row.cost_nano),
        "cost_hysteresis": amount(row.baseline_nano),
        "saved": amount(row.saved_nano),
        "shadow_saved": amount(row.shadow_saved_nano),
        "demand_m3": round(row.demand_m3, 1) if has_figures else None,
        "violations": row.violations if has_figures else None,
        "violations_hysteresis": row.baseline_violations if has_figures else None,
    }


def _slots(plan: Plan) -> list[dict[str, Any]]:
    """Return the slots of a plan."""
    return [
        {
            "start": one.start.isoformat(),
            "pumps": one.pumps,
            "level_m3": round(one.level, 1),
            "price": round(one.price, _DIGITS),
            "cost": round(one.cost, _DIGITS),
        }
        for one in plan.slots
    ]


def _switches(plan: Plan) -> list[dict[str, Any]]:
    """Return when the number of running pumps changes, the first slot included."""
    found: list[dict[str, Any]] = []
    for slot in plan.slots:
        if not found or slot.pumps != found[-1]["pumps"]:
            found.append({"start": slot.start.isoformat(), "pumps": slot.pumps})
    return found


def _level(level: TankLevel) -> dict[str, Any]:
    """Return the level: in m³, and as it was read."""
    return {
        "status": level.status.value,
        "m3": None if level.volume is None else round(level.volume, 2),
        "value": level.value,
        "time": _time(level.time),
    }


def _time(time: datetime | None) -> str | None:
    """Return a time in ISO 8601."""
    return None if time is None else time.isoformat()
