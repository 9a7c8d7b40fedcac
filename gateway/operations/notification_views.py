"""JSON views of notification endpoints, deliveries and attempts, for the API and the CLI."""

from datetime import datetime
from typing import Any

from billing.notifications.endpoints.deliveries import DELIVERY_ID_PREFIX, LoggedDelivery
from billing.notifications.endpoints.endpoints import ENDPOINT_ID_PREFIX, StoredEndpoint
from billing.notifications.endpoints.sending import EVENT_ID_PREFIX
from billing.notifications.endpoints.trial import TestedEndpoint
from billing.notifications.endpoints.verdicts import Verdict
from billing.tables import NotificationAttempt, NotificationDelivery
from gateway.operations.notifications import ChangedEndpoint
from infra import ids


def render_endpoint(stored: StoredEndpoint) -> dict[str, Any]:
    """Return an endpoint as JSON, with its signing secret if it is new."""
    row = stored.row
    shown = {
        "id": ids.format_id(ENDPOINT_ID_PREFIX, row.id),
        "object": "notification_endpoint",
        "kind": row.kind,
        "address": stored.address,
        "has_secret": row.has_secret,
        "description": row.description,
        "language": row.language,
        "enabled_events": list(row.enabled_events),
        "status": "enabled" if row.enabled else "disabled",
        "disabled_reason": row.disabled_reason or None,
        "failing_since": _iso(row.failing_since),
        "is_alert_webhook": row.is_alert_target,
        "created_at": row.created_at.isoformat(),
    }
    return shown if stored.secret is None else {**shown, "secret": stored.secret}


def render_change(changed: ChangedEndpoint) -> dict[str, Any]:
    """Return a changed endpoint as JSON, with the warning of its check if there is one."""
    shown = render_endpoint(changed.stored)
    return shown if changed.warning is None else {**shown, "warning": changed.warning}


def render_delivery(row: NotificationDelivery) -> dict[str, Any]:
    """Return a delivery as JSON, without its attempts."""
    pending = row.status == "pending"
    return {
        "id": ids.format_id(DELIVERY_ID_PREFIX, row.id),
        "object": "notification_delivery",
        "endpoint": ids.format_id(ENDPOINT_ID_PREFIX, row.endpoint_id),
        "event": ids.format_id(EVENT_ID_PREFIX, row.event_id),
        "type": row.event_type,
        "status": row.status,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "created_at": row.created_at.isoformat(),
        "delivered_at": _iso(row.delivered_at),
        "next_attempt_at": row.due_at.isoformat() if pending else None,
    }


def render_logged(logged: LoggedDelivery) -> dict[str, Any]:
    """Return a delivery as JSON, with its payload and attempts."""
    attempts = [_render_attempt(attempt) for attempt in logged.attempts]
    return {
        **render_delivery(logged.row),
        "payload": logged.event.payload,
        "log": attempts,
    }


def render_test(tested: TestedEndpoint) -> dict[str, Any]:
    """Return the result of a test message as JSON."""
    result = tested.result
    return {
        "object": "notification_test",
        "delivery": ids.format_id(DELIVERY_ID_PREFIX, tested.delivery_id),
        "delivered": result.outcome.verdict is Verdict.DELIVERED,
        "result": result.outcome.verdict.value,
        "http_status": result.http_status,
        "duration_ms": result.duration_ms,
        "response": result.response,
        "error": result.outcome.reason or None,
    }


def _render_attempt(attempt: NotificationAttempt) -> dict[str, Any]:
    """Return an attempt as JSON."""
    return {
        "sent_at": attempt.sent_at.isoformat(),
        "result": attempt.result,
        "http_status": attempt.http_status,
        "duration_ms": attempt.duration_ms,
        "events": attempt.events,
        "request": attempt.request,
        "response": attempt.response,
        "error": attempt.error,
        "next_attempt_at": _iso(attempt.next_attempt_at),
    }


def _iso(at: datetime | None) -> str | None:
    """Return a time in ISO 8601, None if there is none."""
    return None if at is None else at.isoformat()
