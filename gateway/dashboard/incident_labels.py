"""Labels of incidents: impact, status, audit log, and messages of errors."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

INCIDENT_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "incident_impact": {
            "minor": gettext_noop("Minor"),
            "major": gettext_noop("Major"),
            "critical": gettext_noop("Critical"),
            "maintenance": gettext_noop("Maintenance"),
        },
        "incident_status": {
            "investigating": gettext_noop("Investigating"),
            "identified": gettext_noop("Cause identified"),
            "monitoring": gettext_noop("Monitoring the fix"),
            "resolved": gettext_noop("Resolved"),
        },
        # By the worst impact of open incidents.
        "service_state": {
            "none": gettext_noop("All systems operational"),
            "maintenance": gettext_noop("Maintenance in progress"),
            "minor": gettext_noop("Minor disturbance"),
            "major": gettext_noop("Major disturbance"),
            "critical": gettext_noop("Critical outage"),
        },
    }
)
INCIDENT_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "incident.opened": gettext_noop("Opened an incident"),
        "incident.updated": gettext_noop("Updated an incident"),
        "incident.resolved": gettext_noop("Resolved an incident"),
    }
)
# Messages of errors by code and field, as in error_messages.py.
INCIDENT_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "incident_invalid.title": gettext_noop(
            "Enter a title of one line in at least one language, with at most 120 characters."
        ),
        "incident_invalid.text": gettext_noop(
            "Enter a text in at least one language, with at most 2,000 characters."
        ),
        "incident_invalid.impact": gettext_noop("Choose an impact."),
        "incident_invalid.status": gettext_noop("Choose a status."),
        "incident_invalid.models": gettext_noop("Name at most 100 models."),
        "incident_resolved": gettext_noop("This incident is resolved. Open another one."),
    }
)
