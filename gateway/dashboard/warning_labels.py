"""Texts of learned warning rules for the dashboard: words, error messages and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop, pgettext_noop

WARNING_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "warning_version": {
            "queued": pgettext_noop("warning rule", "Queued"),
            "training": pgettext_noop("warning rule", "Training"),
            "failed": pgettext_noop("warning rule", "Failed"),
            "rejected": pgettext_noop("warning rule", "Not shown to be better"),
            "ready": pgettext_noop("warning rule", "Ready"),
            "active": pgettext_noop("warning rule", "In use"),
            "retired": pgettext_noop("warning rule", "Replaced"),
            "rolled_back": pgettext_noop("warning rule", "Taken back"),
        },
        # What a learned rule computes its score from.
        "warning_kind": {
            "single sensor": gettext_noop("Limit on one point"),
            "never or always": gettext_noop("No warnings"),
            "chart": gettext_noop("Distance of all points from normal operation"),
            "trees": gettext_noop("Decision trees on all points"),
        },
        "warning_reason": {
            "too_few_events": gettext_noop("Too few events."),
            "not_better": gettext_noop("It costs no less than a limit on one point."),
        },
        # Why a rule says nothing in a tick.
        "warning_problem": {
            "stale": gettext_noop("The readings of its points are too old or incomplete."),
            "no_rule": gettext_noop("The warning rule does not exist."),
            "no_version": gettext_noop("No version of the warning rule is in use."),
            "no_point": gettext_noop("The asset lacks a point of the warning rule."),
            "other_asset": gettext_noop("The warning rule is for another asset."),
            "other_horizon": gettext_noop(
                "The horizon of the agent is not that of the warning rule."
            ),
            "file_damaged": gettext_noop("The file of the warning rule is damaged."),
        },
    }
)
WARNING_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "learned_warning.created": gettext_noop("Created a learned warning rule"),
        "learned_warning.deleted": gettext_noop("Deleted a learned warning rule"),
        "learned_warning.trained": gettext_noop("Started training a warning rule"),
        "learned_warning.activated": gettext_noop("Put a version of a warning rule in use"),
        "learned_warning.rolled_back": gettext_noop("Took back a version of a warning rule"),
    }
)
WARNING_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "learned_warning_invalid": gettext_noop("Please correct this value."),
        "learned_warning_limit": gettext_noop(
            "The limit of warning rules, or of trainings a day, is reached."
        ),
        "learned_warning_training": gettext_noop("A version is being trained."),
        "learned_warning_not_shown": gettext_noop(
            "This version is not shown to cost less than a limit on one point."
        ),
        "learned_warning_not_ready": gettext_noop("The version is not trained or not in use."),
    }
)
