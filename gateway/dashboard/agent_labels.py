"""Texts of agents for the dashboard: words, error messages by field, and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop, pgettext_noop

AGENT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "agent_status": {
            "active": pgettext_noop("agent", "Active"),
            "paused": gettext_noop("Paused"),
            "stopped": gettext_noop("Stopped by the platform"),
        },
        "agent_autonomy": {
            "observe": gettext_noop("Observe"),
            "advise": gettext_noop("Advise"),
            "approve": gettext_noop("Act after approval"),
            "act": gettext_noop("Act within limits"),
        },
        "agent_autonomy_about": {
            "observe": gettext_noop("Records what it would do. Nobody is told."),
            "advise": gettext_noop("Also tells the account's recipients. Creates nothing."),
            "approve": gettext_noop(
                "Also proposes work orders and other actions, which a person approves here."
            ),
            "act": gettext_noop("Takes the permitted actions itself. Most of them can be undone."),
        },
        "agent_decision": {
            "wait": gettext_noop("Wait"),
            "inspect": gettext_noop("Inspect"),
            "stop": gettext_noop("Stop for a repair"),
        },
        "agent_action": {
            "work_order": gettext_noop("Work order"),
            "spare_part": gettext_noop("Order of the spare part"),
            "write": gettext_noop("Command to a machine"),
            "set_point": gettext_noop("Set point"),
            "order_draft": gettext_noop("Draft for a work order"),
        },
        "agent_tool": {
            "specialist": gettext_noop("Allowed specialist"),
            "mechanism": gettext_noop("Allowed mechanism"),
            "language_model": gettext_noop("Allowed language model"),
            "file_search": gettext_noop("Allowed file search"),
        },
        "round_status": {
            "open": gettext_noop("In progress"),
            "submitted": pgettext_noop("round", "Submitted"),
            "missed": pgettext_noop("round", "Missed"),
            "cancelled": pgettext_noop("round", "Cancelled"),
        },
        "round_answer": {
            "yes": pgettext_noop("round", "Yes"),
            "no": pgettext_noop("round", "No"),
        },
        "agent_action_status": {
            "proposed": gettext_noop("To approve"),
            "executed": gettext_noop("Executed"),
            "rejected": pgettext_noop("agent", "Rejected"),
            "expired": gettext_noop("Expired"),
            "undone": gettext_noop("Undone"),
            "failed": gettext_noop("Failed"),
        },
        "agent_result": {
            "confirmed": gettext_noop("Event followed"),
            "denied": gettext_noop("No event came"),
            "unconfirmed": gettext_noop("No event recorded"),
            "open": gettext_noop("Still open"),
        },
        "agent_evidence": {
            "outcome": gettext_noop("outcome of a contract"),
            "event": gettext_noop("reported event"),
            "work_order": gettext_noop("work order of the plant"),
        },
        "agent_rule": {
            "quiet": gettext_noop("Within the limit"),
            "pending": gettext_noop("Beyond the limit, not for long enough"),
            "raised": gettext_noop("Beyond the limit"),
            "stale": gettext_noop("No recent reading"),
            "no_point": gettext_noop("No point"),
            "unit": gettext_noop("Unit of another quantity"),
        },
        "agent_side": {
            "above": gettext_noop("above"),
            "below": gettext_noop("below"),
        },
        "agent_when": {
            "always": gettext_noop("in every check"),
            "rule": gettext_noop("when a rule was raised"),
        },
        # What a tick could not do, by the code of its error.
        "agent_tick_error": {
            "agent_budget_exhausted": gettext_noop(
                "The budget was used up, so the specialist was not called: rules alone decided."
            ),
            "prediction_unreadable": gettext_noop(
                "The specialist's answer lacks the expected output: rules alone decided."
            ),
        },
        # Why the platform stopped an agent, and what to do.
        "agent_stop": {
            "agent_oscillating": gettext_noop(
                "Its decision went back and forth. Check its limits and points, then activate it."
            ),
            "invalid_api_key": gettext_noop(
                "Its API key does not exist. Choose another key, then activate it."
            ),
            "api_key_revoked": gettext_noop(
                "Its API key was revoked. Choose another key, then activate it."
            ),
            "api_key_expired": gettext_noop(
                "Its API key has expired. Choose another key, then activate it."
            ),
            "project_archived": gettext_noop(
                "The project of its API key was archived. Choose another key, then activate it."
            ),
            "model_not_found": gettext_noop(
                "Its model does not exist any more. Choose another model in the definition."
            ),
            "model_not_allowed": gettext_noop(
                "Its API key may not call its model. Change the key, or choose another one."
            ),
            "insufficient_scope": gettext_noop(
                "Its API key lacks a permission. Change the key, or choose another one."
            ),
        },
    }
)
AGENT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "agent.created": gettext_noop("Created an agent"),
        "agent.changed": gettext_noop("Changed an agent"),
        "agent.key_changed": gettext_noop("Changed the key that pays for an agent"),
        "agent.active": gettext_noop("Activated an agent"),
        "agent.paused": gettext_noop("Paused an agent"),
        "agent.deleted": gettext_noop("Deleted an agent"),
        "agent.action_approved": gettext_noop("Approved an action of an agent"),
        "agent.action_rejected": gettext_noop("Rejected an action of an agent"),
        "agent.action_undone": gettext_noop("Undid an action of an agent"),
        "agent.run_requested": gettext_noop("Ran an agent outside of its schedule"),
        "agent.call_refused": gettext_noop("Refused a call of an agent by an agent"),
        "agent.round_started": gettext_noop("Started an inspection round"),
        "agent.round_submitted": gettext_noop("Submitted an inspection round"),
        "agent.round_cancelled": gettext_noop("Cancelled an inspection round"),
    }
)
_DURATION = gettext_noop("Enter a duration such as 30s, 10m, 8h or 7d.")
_COST = gettext_noop("Enter a number of 0 or more.")
_AMOUNT = gettext_noop("Enter an amount such as 2.50.")
AGENT_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_action_closed": gettext_noop(
            "This action was already decided, or its readings are too old."
        ),
        "agent_limit_reached": gettext_noop(
            "The account has as many agents as it may. Delete one, or ask the operator for more."
        ),
        "agent_running": gettext_noop("The agent is running. Try again when the check has ended."),
        "agent_not_active": gettext_noop("The agent is not active. Activate it first."),
        "agent_run_unsupported": gettext_noop("This agent decides at its own times only."),
        "agent_run_limit": gettext_noop(
            "The agent ran too often in the last hour. Try again later."
        ),
        "agent_replay_invalid.failures": gettext_noop(
            "Enter one time a line, such as 2026-11-12 08:00, at most 100."
        ),
        "agent_replay_invalid.from": gettext_noop(
            "The agent checks too often to be replayed on 30 days. Use the API for less time."
        ),
        "agent_version_conflict": gettext_noop(
            "The agent was changed by somebody else meanwhile. Your input is kept below."
        ),
        "agent_round_closed": gettext_noop(
            "This round was submitted or cancelled, so it takes no more answers."
        ),
        "agent_round_incomplete": gettext_noop(
            "A required question has no answer. If it cannot be checked, say why in its note."
        ),
        "agent_round_answer_invalid": gettext_noop(
            "An answer does not fit its question. Correct it; nothing was stored."
        ),
        "agent_round_photo_invalid": gettext_noop(
            "The photo cannot be used: it is damaged, too large, or one too many."
        ),
        "agent_round_plan_missing": gettext_noop("The definition of this agent has no route."),
        # Of the definition by field; an index of rules is left out.
        "agent_definition_invalid.name": gettext_noop("Enter a name of 1 to 120 characters."),
        "agent_definition_invalid.asset": gettext_noop("Enter the code of an asset."),
        "agent_definition_invalid.rules": gettext_noop(
            "Keep a rule or a specialist: the agent has nothing to watch."
        ),
        "agent_definition_invalid.every": gettext_noop(
            "Enter a duration from 10s to 31d, such as 10m."
        ),
        "agent_definition_invalid.cooldown": _DURATION,
        "agent_definition_invalid.actions": gettext_noop(
            "Choose what the agent may do at this autonomy level."
        ),
        "agent_definition_invalid.recipients.daily_report": gettext_noop(
            "Enter a time such as 08:00, or leave the field empty."
        ),
        "agent_definition_invalid.autonomy": gettext_noop("Choose an autonomy level."),
        "agent_definition_invalid.rules.name": gettext_noop("Enter a name for the rule."),
        "agent_definition_invalid.rules.point": gettext_noop("Choose a point for the rule."),
        "agent_definition_invalid.rules.above": gettext_noop("Enter a number as the limit."),
        "agent_definition_invalid.rules.below": gettext_noop("Enter a number as the limit."),
        "agent_definition_invalid.rules.unit": gettext_noop("This unit is not known."),
        "agent_definition_invalid.rules.held_for": _DURATION,
        "agent_definition_invalid.rules.stale_after": _DURATION,
        "agent_definition_invalid.costs.planned_stop": _COST,
        "agent_definition_invalid.costs.unplanned_stop": gettext_noop(
            "Enter a number above the cost of a planned stop."
        ),
        "agent_definition_invalid.costs.inspection": _COST,
        "agent_definition_invalid.costs.waiting": _COST,
        "agent_definition_invalid.budget": gettext_noop(
            "The budget must not allow more a check than a day, or a day than a month."
        ),
        "agent_definition_invalid.budget.per_tick": _AMOUNT,
        "agent_definition_invalid.budget.per_day": _AMOUNT,
        "agent_definition_invalid.budget.per_month": _AMOUNT,
    }
)
