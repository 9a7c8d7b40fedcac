"""Texts of agents that learn for the dashboard: words, error messages, and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop, pgettext_noop

AGENT_LEARNING_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "agent_feedback": {
            "confirmed": gettext_noop("Decision was right"),
            "denied": gettext_noop("Decision was wrong"),
            "corrected": gettext_noop("Something else was found"),
            "ignored": gettext_noop("Nobody reacted"),
        },
        "agent_policy_status": {
            "shadow": gettext_noop("In shadow"),
            "ready": gettext_noop("Ready to promote"),
            "active": pgettext_noop("policy", "In use"),
            "replaced": pgettext_noop("policy", "Replaced"),
            "rejected": pgettext_noop("policy", "No saving shown"),
            "rolled_back": gettext_noop("Rolled back"),
        },
        "agent_policy_step": {
            "trained": gettext_noop("Learned, now in shadow"),
            "rejected": gettext_noop("Not used"),
            "ready": gettext_noop("Passed its shadow period"),
            "promoted": gettext_noop("Promoted"),
            "rolled_back": gettext_noop("Rolled back"),
            "imported": gettext_noop("Imported, now in shadow"),
            "transferred": gettext_noop("Carried over, now in shadow"),
        },
        "agent_policy_reason": {
            "off_policy_not_better": gettext_noop("no saving shown on randomly explored decisions"),
            "replay_not_better": gettext_noop("no saving shown on the history"),
            "shadow_worse": gettext_noop("costs more in the shadow period"),
            "shadow_not_better": gettext_noop("no saving in the shadow period"),
            "shadow_inconclusive": gettext_noop("too few outcomes in the shadow period"),
            "shadow_too_short": gettext_noop("the shadow period has too few outcomes"),
            "too_few_effective_decisions": gettext_noop("too few randomly explored decisions"),
            "asset_or_costs_changed": gettext_noop("asset or costs were changed"),
            "cost_worse": gettext_noop("it cost more than before"),
            "calibration_broken": gettext_noop("its probabilities were wrong"),
            "by_hand": gettext_noop("by hand"),
        },
        "agent_transfer_kind": {
            "costs": gettext_noop("Stated costs"),
            "rule": pgettext_noop("agent", "Rule"),
            "limit": pgettext_noop("agent", "Limit of the rule"),
            "feature": gettext_noop("Feature of the policy"),
            "calibration": gettext_noop("Calibration of the specialist"),
            "policy": gettext_noop("Learned policy"),
        },
        "agent_transfer_reason": {
            "no_concept": gettext_noop("its point has no confirmed concept"),
            "no_point": gettext_noop("the asset has no such point"),
            "unit_of_another_quantity": gettext_noop("the point measures another quantity"),
            "limit_of_another_machine": gettext_noop("check it: it was set for another machine"),
            "no_readings": gettext_noop("there are too few readings to check it"),
            "range_not_seen": gettext_noop("most values are outside the learned range"),
            "no_outcomes_yet": gettext_noop("no outcome of this asset is known yet"),
            "features_do_not_overlap": gettext_noop("a feature was not seen in this range"),
        },
    }
)
AGENT_LEARNING_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "agent.feedback_given": gettext_noop("Gave feedback on a decision of an agent"),
        "agent.policy_trained": gettext_noop("An agent learned a policy"),
        "agent.policy_rejected": gettext_noop("A policy of an agent was not used"),
        "agent.policy_ready": gettext_noop("A policy of an agent passed its shadow period"),
        "agent.policy_promoted": gettext_noop("Promoted a policy of an agent"),
        "agent.policy_rolled_back": gettext_noop("Rolled back a policy of an agent"),
        "agent.policy_imported": gettext_noop("Imported a policy of an agent"),
        "agent.policy_transferred": gettext_noop("Carried over a policy to another agent"),
        "agent.limit_proposed": gettext_noop("An agent proposed another limit"),
        "agent.limit_accepted": gettext_noop("Accepted a limit that an agent proposed"),
        "agent.limit_rejected": gettext_noop("Rejected a limit that an agent proposed"),
    }
)
AGENT_LEARNING_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_feedback_late": gettext_noop("This decision is too old for feedback."),
        "agent_policy_not_ready": gettext_noop(
            "The status of the policy has changed meanwhile. Reload the page."
        ),
        "agent_limit_closed": gettext_noop(
            "This limit was decided already, or its rule was changed."
        ),
        "agent_transfer_invalid": gettext_noop(
            "Nothing of the agent fits this asset. Confirm the concepts of its points first."
        ),
    }
)
