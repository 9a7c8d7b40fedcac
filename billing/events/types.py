"""The types of events and their groups, from which an endpoint selects."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

ALL_EVENTS = "*"
TEST_EVENT = "notification_endpoint.test"
# By group. The page of a type, its payload and its time are described in docs/notifications.md.
EVENT_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "jobs": (
            "fine_tuning.job.succeeded",
            "fine_tuning.job.failed",
            "fine_tuning.job.cancelled",
            "eval.run.succeeded",
            "eval.run.failed",
            "eval.run.canceled",
        ),
        "batches": ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"),
        "invoices": ("invoice.finalized", "invoice.paid", "invoice.overdue"),
        "disputes": (
            "line_dispute.opened",
            "line_dispute.answered",
            "settlement.created",
            "dispute.opened",
            "dispute.answered",
            "dispute.decided",
        ),
        "limits": ("usage.threshold_passed", "pack.expiring"),
        "fapiao": ("fapiao.issued",),
        "models": ("model.drift_detected", "model.promise_broken", "model.retrained"),
        "agents": (
            "agent.decided",
            "agent.stopped",
            "agent.verdicts_conflict",
            "agent.task_stopped",
            "agent.reported",
            "agent.learned",
            "agent.command",
        ),
        "work_orders": ("work_order.created", "work_order.updated", "work_order.cancelled"),
        "incidents": ("incident.opened", "incident.updated", "incident.resolved"),
    }
)
# What the webhook of the alert settings receives until its selection is changed.
ALERT_TARGET_EVENTS = ("limits", "models", "fapiao")
EVENT_TYPES = tuple(name for names in EVENT_GROUPS.values() for name in names)
SELECTIONS = frozenset((ALL_EVENTS, *EVENT_GROUPS, *EVENT_TYPES))
_GROUP_OF: Mapping[str, str] = {
    name: group for group, names in EVENT_GROUPS.items() for name in names
}


def is_selected(event_type: str, enabled_events: Iterable[str]) -> bool:
    """Return whether `enabled_events` has the type, its group or the wildcard `*`."""
    wanted = {ALL_EVENTS, event_type, _GROUP_OF.get(event_type, event_type)}
    return not wanted.isdisjoint(enabled_events)
