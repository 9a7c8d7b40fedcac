"""Limits and alerts: how much is used of what there is, what keys may, and who is told when.

What is watched and told is billing's (billing/notifications/); an account's own credit and rates
are the operator's to set, a key's are changed on its own page (keys.py).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import (
    ProfileInvalid,
    change_profile,
    read_profile,
    require_email,
)
from billing.dates import zone_of
from billing.invoices.usage_position import read_position
from billing.metering.quotas import QuotaState
from billing.notifications.alert_target_changes import CheckedUrl, check_url
from billing.notifications.alert_targets import (
    AlertTargetInvalid,
    read_target,
    require_percentages,
    set_target,
    undelivered,
)
from billing.notifications.limits_in_force import limits_in_force
from billing.notifications.sample_alert import NobodyToTell, TriedTooOften, TryResult, try_out
from billing.tables import QuotaKind
from gateway.access.key_limits import RATES
from gateway.access.key_views import view_keys
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing
from gateway.identity.audit_log import record
from gateway.identity.roles import Permission
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, attempt, collect
from infra.outbound.webhook_post import SignedPoster

_PAGE = "/dashboard/limits"
_KEEPS = Keeps(_PAGE, ("percentages", "email", "url"))
_BETWEEN = re.compile(r"[\s,，、;；%％]+")


@dataclass(frozen=True, slots=True)
class _Alerts:
    """Who is told, and from which percentages on."""

    email: str
    url: str
    percentages: list[int]

    @property
    def details(self) -> dict[str, Any]:
        """For the audit log: of the webhook only its host, as addresses may hold secrets."""
        host = urlsplit(self.url).hostname
        return {"email": self.email, "webhook": host, "percentages": self.percentages}


class LimitPages(Controller):
    """`/dashboard/limits…`."""

    path = "/limits"

    @get("/", name="dashboard:limits")
    async def limits(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        return await _page(viewing, database, clock)

    @post("/alerts", permission=Permission.LIMITS, keeps=_KEEPS)
    async def change(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        poster: NamedDependency[SignedPoster],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said = await fields_of(request)
        try:
            url = said.get("url", "").strip()
            checked = await attempt(check_url(database, viewing.account_id, url, poster.reach))
            wanted, warning = _wanted(said, checked)
            async with database.transaction() as session:
                secret = await _change(session, viewing, clock, wanted)
        except (AlertTargetInvalid, ProfileInvalid, SeveralErrors) as error:
            return await _page(viewing, database, clock, mistaken(viewing, said, error))
        if secret is not None:
            return viewing.page(
                "webhook_secret.html", secret=secret, url=wanted.url, warning=warning
            )
        return viewing.go(f"{_PAGE}?done=alerts")

    @post("/test", permission=Permission.LIMITS)
    async def test(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        poster: NamedDependency[SignedPoster],
    ) -> Response[Any]:
        """The result is on the page that answers: loading that again is a test again."""
        account_id = viewing.account_id
        try:
            tested = await try_out(database, clock, poster, account_id)
        except (NobodyToTell, TriedTooOften) as error:
            return await _page(viewing, database, clock, mistaken(viewing, {}, error))
        async with database.transaction() as session:
            await record(session, clock, viewing.actor, account_id, "alerts.tested")
        return await _page(viewing, database, clock, tested=tested)


async def _alerts(session: AsyncSession, viewing: Viewing) -> _Alerts:
    profile = await read_profile(session, viewing.account_id)
    target = await read_target(session, viewing.account_id)
    return _Alerts(profile.email, target.url, list(target.percentages))


async def _change(
    session: AsyncSession, viewing: Viewing, clock: Clock, wanted: _Alerts
) -> str | None:
    """Gives the secret of a new webhook. Raises AlertTargetInvalid, ProfileInvalid."""
    account_id, before = viewing.account_id, await _alerts(session, viewing)
    if wanted.email != before.email:
        await change_profile(session, account_id, email=wanted.email)
    secret = await set_target(session, account_id, wanted.url, wanted.percentages)
    after = await _alerts(session, viewing)
    if after != before:
        details = {"from": before.details, "to": after.details}
        await record(session, clock, viewing.actor, account_id, "alerts.changed", "", details)
    return secret


async def _page(
    viewing: Viewing,
    database: Database,
    clock: Clock,
    form: Filled | None = None,
    tested: TryResult | None = None,
) -> Response[str]:
    account_id, now = viewing.account_id, clock.now()
    async with database.transaction() as session:
        profile = await read_profile(session, account_id)
        limits = await limits_in_force(session, await read_position(session, profile, now))
        values = {
            "alerts": await _alerts(session, viewing),
            "currency": limits.currency,
            "available": limits.available,
            "rates": _rates(limits.quotas),
            "undelivered": await undelivered(session, account_id),
            "views": [view for view in await view_keys(session, account_id, now) if view.works],
            "watched": limits.watched,
        }
    return viewing.page(
        "limits.html",
        status=INVALID if form else 200,
        form=form or kept_form(viewing),
        tested=tested,
        may=viewing.viewer.may(Permission.LIMITS),
        may_keys=viewing.viewer.may(Permission.KEYS),
        done=viewing.request.query_params.get("done"),
        zone=zone_of(profile.time_zone),
        now=now,
        **values,
    )


def _rates(quotas: Sequence[QuotaState]) -> dict[str, int | None]:
    """The account's own, by the names that keys' limits have."""
    own: dict[QuotaKind, int | None] = {
        quota.kind: quota.amount for quota in quotas if quota.key_id is None
    }
    return {name: own.get(kind) for name, kind in RATES.items()}


def _wanted(said: dict[str, str], check: Callable[[], CheckedUrl]) -> tuple[_Alerts, str | None]:
    """What a form says, and a warning about its URL. Raises AlertTargetInvalid, ProfileInvalid,
    SeveralErrors."""
    percentages, email, checked = collect(
        lambda: _percentages(said.get("percentages", "")),
        lambda: require_email(said.get("email", "").strip()),
        check,
    )
    return _Alerts(email, checked.url, percentages), checked.warning


def _percentages(text: str) -> list[int]:
    parts = [part for part in _BETWEEN.split(text) if part]
    if not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise AlertTargetInvalid("Percentages are whole numbers.", param="percentages")
    return require_percentages([int(part) for part in parts])
