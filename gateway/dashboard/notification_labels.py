"""Labels of notifications: kinds of endpoints, event groups, statuses, audit log actions."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.translations import gettext_noop

NOTIFICATION_LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "endpoint_kind": {
            "webhook": gettext_noop("Signed webhook"),
            "wecom": gettext_noop("WeCom group robot"),
            "dingtalk": gettext_noop("DingTalk group robot"),
            "feishu": gettext_noop("Feishu custom bot"),
            "slack": gettext_noop("Slack incoming webhook"),
            "email": gettext_noop("E-mail"),
        },
        "event_group": {
            "*": gettext_noop("All events"),
            "jobs": gettext_noop("Fine-tuning and evaluations"),
            "batches": gettext_noop("Batches"),
            "invoices": gettext_noop("Invoices"),
            "disputes": gettext_noop("Disputes and settlements"),
            "limits": gettext_noop("Limits"),
            "fapiao": gettext_noop("Fapiao"),
            "models": gettext_noop("Drift and retraining of your models"),
            "agents": gettext_noop("Decisions of agents"),
            "work_orders": gettext_noop("Work orders"),
            "incidents": gettext_noop("Incidents of the platform"),
        },
        "endpoint_state": {
            "enabled": gettext_noop("Enabled"),
            "owner": gettext_noop("Disabled"),
            "failing": gettext_noop("Disabled after failures"),
            "unconfirmed": gettext_noop("Mailbox not confirmed yet"),
        },
        "delivery_status": {
            "pending": gettext_noop("Pending"),
            "delivered": gettext_noop("Delivered"),
            "failed": gettext_noop("Failed"),
        },
        "attempt_result": {
            "delivered": gettext_noop("Delivered"),
            "retry": gettext_noop("Failed, retried"),
            "rate_limited": gettext_noop("Rate limit reached, retried"),
            "rejected": gettext_noop("Rejected"),
        },
    }
)
NOTIFICATION_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "alerts.endpoint_added": gettext_noop("Added a notification endpoint"),
        "alerts.endpoint_changed": gettext_noop("Changed a notification endpoint"),
        "alerts.endpoint_confirmed": gettext_noop("Confirmed a mailbox for notifications"),
        "alerts.endpoint_removed": gettext_noop("Removed a notification endpoint"),
        "alerts.endpoint_tested": gettext_noop("Tested a notification endpoint"),
        "alerts.secret_rolled": gettext_noop("Replaced a webhook's secret"),
        "alerts.delivery_repeated": gettext_noop("Delivered a notification again"),
    }
)
# Messages of errors by code and field, as in error_messages.py.
NOTIFICATION_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "notification_endpoint_invalid.kind": gettext_noop("Choose a kind."),
        "notification_endpoint_invalid.address": gettext_noop(
            "This address is not valid for the kind. Copy it from the robot's settings; a webhook "
            "must be reachable from the internet."
        ),
        "notification_endpoint_invalid.secret": gettext_noop(
            "Only robots of DingTalk and Feishu with signature have a secret."
        ),
        "notification_endpoint_invalid.description": gettext_noop(
            "Use one line of at most 200 characters."
        ),
        "notification_endpoint_invalid.enabled_events": gettext_noop("Choose at least one event."),
        "notification_endpoint_invalid.language": gettext_noop("Choose a language."),
        "too_many_notification_endpoints": gettext_noop(
            "An account has at most 20 notification endpoints. Remove one first."
        ),
        "notification_endpoint_unconfirmed": gettext_noop(
            "The mailbox was not confirmed yet. Open the link in the e-mail that was sent to it."
        ),
        "notification_test_too_soon": gettext_noop(
            "A test was sent a moment ago. Try again in 10 seconds."
        ),
        "notification_not_repeatable": gettext_noop(
            "The endpoint is disabled, or the delivery is pending already."
        ),
    }
)
