"""The pages to publish a credit policy: file, preview of accounts' limits, confirmation."""

from datetime import UTC, date, datetime, time
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.credit.errors import CreditPolicyInvalid
from billing.credit.policy_file import parse_policy_file
from billing.credit.publication import preview_policy
from gateway.dashboard.forms import FormState, restored_form
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import platform_zone
from gateway.dashboard.pages.platform.publishing.file_form import (
    MAX_FORM_BYTES,
    FileUnreadable,
    read_file_form,
    render_form,
)
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.credit import publish_credit_policy
from infra.clock import Clock
from infra.database.database import Database
from infra.translations import gettext_noop

_CREDIT = "/dashboard/platform/credit"
_TEMPLATE = "platform/publish_policy.html"
_NO_DATE = gettext_noop("Effective from: enter a date such as 2027-01-31.")
_PAST_DATE = gettext_noop("Effective from: enter a day after today, or nothing for now.")
_ERRORS = (FileUnreadable, CreditPolicyInvalid)
_PRESERVED = PreservedFields(f"{_CREDIT}/policies/new", ("file", "effective_from"))


class CreditPolicyPublishingPages(Controller):
    """Handlers of `/dashboard/platform/credit/policies/…`."""

    path = "/platform/credit/policies"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/new", name="platform:publish-policy")
    async def show_policy_form(self, page: NamedDependency[PageRequest]) -> Response[str]:
        """Show the form of a policy file."""
        return render_form(page, _TEMPLATE, restored_form(page))

    @post("/preview", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def preview_credit_policy(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Show the accounts with the policy, and their limits by the new rules."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {"effective_from": ""})
            policy = parse_policy_file(fields["file"])
            starts_at = _parse_start(fields["effective_from"], clock.now())
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        async with database.transaction() as session:
            publication = await preview_policy(session, policy, clock.now())
        return page.render(
            "platform/publish_policy_preview.html",
            publication=publication,
            starts_at=starts_at,
            form=FormState(fields),
            zone=platform_zone(),
        )

    @post("/publish", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def publish_policy(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Publish the previewed file."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {"effective_from": ""})
            starts_at = _parse_start(fields["effective_from"], clock.now())
            async with database.transaction() as session:
                place = (session, clock, page.actor, fields["file"], starts_at)
                await publish_credit_policy(*place)
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        return page.redirect(_CREDIT)


def _parse_start(text: str, now: datetime) -> datetime | None:
    """Return the start of a day in the platform's time zone; None for an empty text: now.

    Raises FileUnreadable, also for a day that is not in the future.
    """
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise FileUnreadable(_NO_DATE, param="effective_from") from None
    starts_at = datetime.combine(day, time(), platform_zone()).astimezone(UTC)
    if starts_at < now:
        raise FileUnreadable(_PAST_DATE, param="effective_from")
    return starts_at
