"""Texts of teams of agents for the dashboard: words, error messages, and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop, pgettext_noop

BOARD_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "board_role": {
            "monitor": gettext_noop("Monitor"),
            "diagnostician": gettext_noop("Diagnostician"),
            "planner": gettext_noop("Planner"),
            "executor": gettext_noop("Executor"),
        },
        "board_task": {
            "diagnose": gettext_noop("Diagnose"),
            "review": gettext_noop("Further opinion"),
            "plan": pgettext_noop("task", "Plan"),
            "execute": gettext_noop("Execute the plan"),
        },
        "board_status": {
            "announced": pgettext_noop("task", "Offered"),
            "held": gettext_noop("In progress"),
            "waiting": gettext_noop("Waits for a person"),
            "done": gettext_noop("Done"),
            "stopped": gettext_noop("Stopped by the platform"),
            "cancelled": gettext_noop("Cancelled"),
        },
        "board_code": {
            "agent_task_stuck": gettext_noop("Too many agents gave it back without a result."),
            "agent_task_overdue": gettext_noop("Its deadline passed."),
            "agent_task_unclaimed": gettext_noop(
                "No active agent of the team can do it. Add one with this role, or activate it."
            ),
            "agent_verdicts_conflict": gettext_noop("The verdicts disagree."),
            "agent_team_budget_exhausted": gettext_noop(
                "The budget of the team does not pay for the call."
            ),
            "lease_not_renewed": gettext_noop("The agent's process was lost."),
            "holder_changed": gettext_noop("The agent was changed meanwhile."),
            "holder_inactive": gettext_noop("The agent was paused, stopped or deleted."),
        },
        "board_event": {
            "announced": gettext_noop("Offered to the team"),
            "awarded": gettext_noop("Awarded to the best bid"),
            "lapsed": gettext_noop("Taken back"),
            "no_bids": gettext_noop("No agent bid"),
            "review": gettext_noop("Further opinion asked for"),
            "waiting": gettext_noop("Given to a person"),
            "answered": gettext_noop("Answered by a person"),
            "done": gettext_noop("Done"),
            "stopped": gettext_noop("Stopped by the platform"),
            "cancelled": gettext_noop("Cancelled"),
        },
    }
)
BOARD_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "agent.team_created": gettext_noop("Created a team of agents"),
        "agent.team_changed": gettext_noop("Changed a team of agents"),
        "agent.team_deleted": gettext_noop("Deleted a team of agents"),
        "agent.task_cancelled": gettext_noop("Cancelled a task of agents"),
        "agent.task_answered": gettext_noop("Answered a task of agents"),
    }
)
_AMOUNT = gettext_noop("Enter an amount such as 2.50.")
_DURATION = gettext_noop("Enter a duration from 1m to 31d, such as 1h.")
BOARD_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_team_not_found": gettext_noop("The account has no team of this name."),
        "agent_team_name_taken": gettext_noop("The account has a team of this name."),
        "agent_team_in_use": gettext_noop(
            "The team has members or open tasks. Remove them first, then delete it."
        ),
        "agent_team_limit_reached": gettext_noop("The account has as many teams as it may."),
        "agent_task_closed": gettext_noop("This task is finished or was answered already."),
        "agent_task_answer_invalid": gettext_noop(
            "Choose a verdict, or enter a probability from 0 to 1."
        ),
        "agent_team_invalid.name": gettext_noop("Enter a name of 1 to 120 characters."),
        "agent_team_invalid.budget": gettext_noop(
            "The budget must not allow more a call than a day, or a day than a month."
        ),
        "agent_team_invalid.budget.per_call": _AMOUNT,
        "agent_team_invalid.budget.per_day": _AMOUNT,
        "agent_team_invalid.budget.per_month": _AMOUNT,
        "agent_team_invalid.disagreement": gettext_noop(
            "Enter a number above 0 and at most 1, such as 0.4."
        ),
        "agent_team_invalid.opinions": gettext_noop("Choose 1 or 2."),
        "agent_team_invalid.deadline": _DURATION,
        "agent_team_invalid.max_leases": gettext_noop("Enter a number from 1 to 100."),
        "agent_team_invalid.oscillation.changes": gettext_noop("Enter a number from 1 to 1,000."),
        "agent_team_invalid.oscillation.window": _DURATION,
    }
)
