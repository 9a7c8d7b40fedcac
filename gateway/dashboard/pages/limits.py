"""The limits and alerts page: quota usage, key limits, and where alerts go.

Operators set the account's credit and rates; a key's limits are changed on its own page.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import (
    ProfileInvalid,
    get_profile,
    update_profile,
    validate_email,
)
from billing.dates import parse_time_zone
from billing.invoices.usage_position import load_usage_position
from billing.metering.quotas import QuotaState
from billing.notifications.alert_target_changes import CheckedUrl, check_webhook_url
from billing.notifications.alert_targets import (
    AlertTargetInvalid,
    get_alert_target,
    list_undelivered_alerts,
    require_percentages,
    update_alert_target,
)
from billing.notifications.current_limits import load_account_limits
from billing.notifications.monitored_limits import MonitoredLimit
from billing.notifications.sample_alert import (
    NoAlertRecipient,
    SampleAlertResult,
    SampleAlertTooSoon,
    send_sample_alert,
)
from billing.tables import QuotaKind
from gateway.access.key_limits import KEY_PREFIX, RATE_LIMIT_KINDS
from gateway.access.key_views import KeyView
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.key_detail import list_visible_keys
from gateway.dashboard.pages.projects.common import visible_project_ids
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.audit_log import record_audit_event
from gateway.identity.roles import Permission
from gateway.projects.projects import format_project_id
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, attempt, collect
from infra.outbound.webhook_post import SignedPoster

_PAGE = "/dashboard/limits"
_PRESERVED_FIELDS = PreservedFields(_PAGE, ("percentages", "email", "url"))
_SEPARATORS = re.compile(r"[\s,，、;；%％]+")


@dataclass(frozen=True, slots=True)
class _AlertSettings:
    """Where an account's alerts go, and the percentages of a limit that send one."""

    email: str
    url: str
    percentages: list[int]

    @property
    def details(self) -> dict[str, Any]:
        """The settings for the audit log; of the webhook, the host only: URLs hold secrets."""
        host = urlsplit(self.url).hostname
        return {"email": self.email, "webhook": host, "percentages": self.percentages}


class LimitPages(Controller):
    """Handlers of `/dashboard/limits`."""

    path = "/limits"

    @get("/", name="dashboard:limits")
    async def show_limits(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show limits, their usage and the alert settings."""
        return await _render_limits(page, database, clock)

    @post("/alerts", permission=Permission.LIMITS, keeps=_PRESERVED_FIELDS)
    async def save_alert_settings(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        webhook_poster: NamedDependency[SignedPoster],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Save the alert settings."""
        fields = await read_form_fields(request)
        try:
            url = fields.get("url", "").strip()
            checked = await attempt(
                check_webhook_url(database, page.account_id, url, webhook_poster.allowed_addresses)
            )
            alerts, warning = _parse_alert_form(fields, checked)
            async with database.transaction() as session:
                secret = await _save_alerts(session, page, clock, alerts)
        except (AlertTargetInvalid, ProfileInvalid, SeveralErrors) as error:
            return await _render_limits(page, database, clock, with_errors(page, fields, error))
        if secret is not None:
            return page.render(
                "webhook_secret.html", secret=secret, url=alerts.url, warning=warning
            )
        return page.redirect(f"{_PAGE}?done=alerts")

    @post("/test", permission=Permission.LIMITS)
    async def send_test_alert(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        webhook_poster: NamedDependency[SignedPoster],
    ) -> Response[Any]:
        """Send a test alert and show the result; reloading the page sends another one."""
        account_id = page.account_id
        try:
            test_result = await send_sample_alert(database, clock, webhook_poster, account_id)
        except (NoAlertRecipient, SampleAlertTooSoon) as error:
            return await _render_limits(page, database, clock, with_errors(page, {}, error))
        async with database.transaction() as session:
            await record_audit_event(session, clock, page.actor, account_id, "alerts.tested")
        return await _render_limits(page, database, clock, tested=test_result)


async def _get_alert_settings(session: AsyncSession, page: PageRequest) -> _AlertSettings:
    """Load the account's alert settings."""
    profile = await get_profile(session, page.account_id)
    target = await get_alert_target(session, page.account_id)
    return _AlertSettings(profile.email, target.url, list(target.percentages))


async def _save_alerts(
    session: AsyncSession, page: PageRequest, clock: Clock, alerts: _AlertSettings
) -> str | None:
    """Save the alert settings and audit the change. Returns the secret of a new webhook.

    Raises AlertTargetInvalid, ProfileInvalid.
    """
    account_id, before = page.account_id, await _get_alert_settings(session, page)
    if alerts.email != before.email:
        await update_profile(session, account_id, email=alerts.email)
    secret = await update_alert_target(session, account_id, alerts.url, alerts.percentages)
    after = await _get_alert_settings(session, page)
    if after != before:
        details = {"from": before.details, "to": after.details}
        await record_audit_event(
            session, clock, page.actor, account_id, "alerts.changed", "", details
        )
    return secret


async def _render_limits(
    page: PageRequest,
    database: Database,
    clock: Clock,
    form: FormState | None = None,
    tested: SampleAlertResult | None = None,
) -> Response[str]:
    """Render the page, with the form's errors or the result of a test alert."""
    account_id, now = page.account_id, clock.now()
    async with database.transaction() as session:
        profile = await get_profile(session, account_id)
        limits = await load_account_limits(
            session, await load_usage_position(session, profile, now)
        )
        views = await list_visible_keys(session, page, clock)
        visible = await visible_project_ids(session, page)
        values = {
            "alerts": await _get_alert_settings(session, page),
            "currency": limits.currency,
            "available": limits.available,
            "rates": _account_rates(limits.quotas),
            "undelivered": await list_undelivered_alerts(session, account_id),
            "views": [view for view in views if view.works],
            "watched": _visible_limits(limits.watched, views, visible),
        }
    return page.render(
        "limits.html",
        status=UNPROCESSABLE if form else 200,
        form=form or restored_form(page),
        tested=tested,
        may=page.viewer.has_permission(Permission.LIMITS),
        may_keys=page.viewer.has_permission(Permission.KEYS),
        done=page.request.query_params.get("done"),
        zone=parse_time_zone(profile.time_zone),
        now=now,
        **values,
    )


def _visible_limits(
    watched: Sequence[MonitoredLimit], views: Sequence[KeyView], visible: frozenset[UUID] | None
) -> list[MonitoredLimit]:
    """Return the limits without those of projects and keys that the viewer may not see."""
    if visible is None:
        return list(watched)
    keys = {ids.format_id(KEY_PREFIX, view.row.id) for view in views}
    projects = {format_project_id(project_id) for project_id in visible}
    return [
        one
        for one in watched
        if one.of.get("key") in {None, *keys} and one.of.get("project") in {None, *projects}
    ]


def _account_rates(quotas: Sequence[QuotaState]) -> dict[str, int | None]:
    """Return the account's rate limits, by the names used for key limits."""
    amounts: dict[QuotaKind, int | None] = {
        quota.kind: quota.amount for quota in quotas if quota.key_id is None
    }
    return {name: amounts.get(kind) for name, kind in RATE_LIMIT_KINDS.items()}


def _parse_alert_form(
    fields: dict[str, str], read_url: Callable[[], CheckedUrl]
) -> tuple[_AlertSettings, str | None]:
    """Parse the alert form. Returns the settings, and a warning about the webhook URL or None.

    `read_url` returns the checked webhook URL.
    Raises AlertTargetInvalid, ProfileInvalid, SeveralErrors.
    """
    percentages, email, checked = collect(
        lambda: _parse_percentages(fields.get("percentages", "")),
        lambda: validate_email(fields.get("email", "").strip()),
        read_url,
    )
    return _AlertSettings(email, checked.url, percentages), checked.warning


def _parse_percentages(text: str) -> list[int]:
    """Parse a list of whole percentages. Raises AlertTargetInvalid."""
    parts = [part for part in _SEPARATORS.split(text) if part]
    if not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise AlertTargetInvalid("Enter whole percentages.", param="percentages")
    return require_percentages([int(part) for part in parts])
