"""Texts of pump schedules and learned warnings: words, error messages and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.warning_labels import WARNING_ACTIONS, WARNING_LABELS
from infra.translations import gettext_noop, pgettext_noop

SCHEDULE_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        **WARNING_LABELS,
        # Why nothing is switched, by the code of a decision.
        "schedule_reason": {
            "level_no_point": gettext_noop("The asset has no point with the tag of the level."),
            "level_unit": gettext_noop("The level is measured in a unit of another quantity."),
            "level_missing": gettext_noop("The level has no recent reading."),
            "level_stale": gettext_noop("The newest reading of the level is too old."),
            "level_future": gettext_noop(
                "The newest reading of the level is in the future: check the clocks."
            ),
            "level_frozen": gettext_noop(
                "The level does not change although water flows: check the sensor."
            ),
            "level_impossible": gettext_noop("The level is outside what the tank can hold."),
            "pump_state_unknown": gettext_noop("The state of a pump is not known."),
            "rule_raised": gettext_noop("A rule is raised."),
        },
        "schedule_policy": {
            "queued": pgettext_noop("schedule", "Queued"),
            "learning": pgettext_noop("schedule", "Learning"),
            "failed": pgettext_noop("schedule", "Not enough data"),
            "rejected": pgettext_noop("schedule", "Not better"),
            "shadow": gettext_noop("In the shadow"),
            "active": pgettext_noop("schedule", "Decides"),
            "retired": pgettext_noop("schedule", "Replaced"),
            "rolled_back": pgettext_noop("schedule", "Taken back"),
        },
        # Names that templates of agents give to rules and tariffs to periods; others are shown as
        # their owners wrote them.
        "template_name": {
            "temperature": pgettext_noop("rule", "temperature"),
            "vibration velocity": pgettext_noop("rule", "vibration velocity"),
            "vibration acceleration": pgettext_noop("rule", "vibration acceleration"),
            "vibration": pgettext_noop("rule", "vibration"),
            "bearing temperature": pgettext_noop("rule", "bearing temperature"),
            "discharge pressure": pgettext_noop("rule", "discharge pressure"),
            "reject rate": pgettext_noop("rule", "reject rate"),
            "deviation high": pgettext_noop("rule", "deviation high"),
            "deviation low": pgettext_noop("rule", "deviation low"),
            "tool wear": pgettext_noop("rule", "tool wear"),
            "valley": pgettext_noop("tariff", "valley"),
            "flat": pgettext_noop("tariff", "flat"),
            "peak": pgettext_noop("tariff", "peak"),
            "sharp": pgettext_noop("tariff", "sharp"),
        },
        # What a learned schedule lacks, by the code of the reason.
        "schedule_missing": {
            "off_policy_not_better": gettext_noop("Not shown to be cheaper than the log."),
            "replay_not_better": gettext_noop(
                "Not shown to be cheaper than the best two-level control."
            ),
            "too_few_effective_decisions": gettext_noop("Too few days to compare."),
            "shadow_too_short": gettext_noop("The shadow period is too short."),
            "shadow_not_better": gettext_noop("The shadow period shows no certain saving yet."),
            "shadow_worse": gettext_noop("It cost more in the shadow."),
        },
    }
)
SCHEDULE_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        **WARNING_ACTIONS,
        "agent.schedule_learned": gettext_noop("Started learning a pump schedule"),
        "agent.schedule_promoted": gettext_noop("Let a learned pump schedule decide"),
        "agent.schedule_rolled_back": gettext_noop("Took a learned pump schedule back"),
    }
)
SCHEDULE_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_schedule_learning": gettext_noop(
            "A schedule is being learned, or was learned too often today."
        ),
        "agent_schedule_log_insufficient": gettext_noop(
            "The stored readings do not show enough to learn from."
        ),
        "agent_schedule_policy_not_promotable": gettext_noop(
            "The learned schedule is not shown to be better yet."
        ),
    }
)
