"""Texts of commands to machines for the dashboard: words, error messages and audited actions."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.dashboard.agent_form_labels import AGENT_FORM_ERRORS, AGENT_FORM_LABELS
from infra.translations import gettext_noop, pgettext_noop

AGENT_COMMAND_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        **AGENT_FORM_LABELS,
        "command_status": {
            "queued": gettext_noop("Waiting for the connector"),
            "sent": gettext_noop("At the connector"),
            "done": gettext_noop("Written and read back"),
            "refused": gettext_noop("Refused by the connector"),
            "not_confirmed": pgettext_noop("command", "Not confirmed"),
            "safe": gettext_noop("Safe value written"),
            "expired": gettext_noop("Not fetched in time"),
            "undone": gettext_noop("Former value sent"),
            "cancelled": pgettext_noop("command", "Cancelled"),
        },
        "limits_status": {
            "active": pgettext_noop("limits", "Valid"),
            "expired": pgettext_noop("limits", "Expired"),
            "revoked": pgettext_noop("limits", "Revoked"),
        },
        # Why a command was not carried out, by code.
        "command_refusal": {
            "limits_missing": gettext_noop("No limits in force list this point."),
            "limits_invalid": gettext_noop(
                "The connector does not trust the limits: another key, plant or an older document."
            ),
            "limits_expired": gettext_noop("The limits have expired."),
            "point_not_listed": gettext_noop("The limits do not list this point."),
            "target_missing": gettext_noop("The connector has no such point to write."),
            "unit_differs": gettext_noop("The unit is not that of the limits."),
            "value_outside": gettext_noop("The value is outside the limits."),
            "step_too_large": gettext_noop("The step from the current value is too large."),
            "current_value_unknown": gettext_noop("The current value could not be read."),
            "not_former_value": gettext_noop("It is not the value from before the agent."),
            "too_soon": gettext_noop("The point was written too short a time ago."),
            "too_many": gettext_noop("The point was written too often in the last hour."),
            "command_expired": gettext_noop("The command arrived too late."),
            "clock_differs": gettext_noop("The clocks of gateway and connector differ too much."),
            "device_unreachable": gettext_noop("The device did not answer."),
            "device_access_denied": gettext_noop(
                "The device refused the user, certificate or security settings of the connector."
            ),
            "agent_changed": gettext_noop("The agent was changed in the meantime."),
            "sensor_frozen": gettext_noop(
                "A sensor has shown the same value for a long time: it may be frozen."
            ),
            "point_busy": gettext_noop("Another agent controls this point."),
        },
    }
)
AGENT_COMMAND_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "agent.limits_added": gettext_noop("Added signed limits for commands"),
        "agent.limits_revoked": gettext_noop("Revoked signed limits for commands"),
        "plant.work_order_reported": gettext_noop("Reported the status of a work order"),
    }
)
_UNTRUSTED = gettext_noop(
    "The signature does not fit: paste the signed document and the public key of its owner."
)
AGENT_COMMAND_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "agent_command_refused": gettext_noop(
            "The limits in force do not allow these values now, or another agent controls the "
            "point. Nothing was written."
        ),
        **AGENT_FORM_ERRORS,
        "command_limits_untrusted": _UNTRUSTED,
        "command_limits_untrusted.limits": _UNTRUSTED,
        "command_limits_untrusted.key": gettext_noop("Paste a public key in PEM or as a JWK."),
        "command_limits_invalid": gettext_noop("The limits contradict themselves."),
    }
)
