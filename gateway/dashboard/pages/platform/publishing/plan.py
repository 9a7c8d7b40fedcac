"""The pages to publish a plan: file, preview of changes and subscribed accounts, confirmation."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.invoice_documents.price_format import format_percent, format_price
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.terms import TermsInvalid
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
from gateway.operations.plan_publication import preview_publication
from gateway.operations.plans import publish_terms, read_plan_file
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_PLANS = "/dashboard/platform/plans"
_TEMPLATE = "platform/publish_plan.html"
_ERRORS = (FileUnreadable, TermsInvalid, PriceInvalid)
_PRESERVED = PreservedFields(f"{_PLANS}/new", ("file", "listed"))
_MAX_ACCOUNTS = 100
# Whether customers can subscribe to the plan themselves; by default that stays as it is.
_LISTED: Mapping[str, bool | None] = {"": None, "yes": True, "no": False}


class PlanPublishingPages(Controller):
    """Handlers of `/dashboard/platform/plans/new` and of the forms that follow it."""

    path = "/platform/plans"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/new", name="platform:publish-plan")
    async def show_plan_form(self, page: NamedDependency[PageRequest]) -> Response[str]:
        """Show the form of a plan file."""
        return render_form(page, _TEMPLATE, restored_form(page))

    @post("/preview", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def preview_plan(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Show what publishing the file changes, and the accounts on the plan."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {"listed": ""})
            terms = read_plan_file(fields["file"], catalog)
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        async with database.transaction() as session:
            publication = await preview_publication(session, clock.now(), terms)
        return page.render(
            "platform/publish_plan_preview.html",
            publication=publication,
            accounts=publication.accounts[:_MAX_ACCOUNTS],
            form=FormState(fields),
            price_text=lambda price, meter: format_price(
                price, meter, terms.currency, page.language
            ),
            percent=format_percent,
            zone=platform_zone(),
        )

    @post("/publish", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def publish_plan(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Publish the previewed file and show its version."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {"listed": ""})
            terms = read_plan_file(fields["file"], catalog)
            async with database.transaction() as session:
                listed = _LISTED.get(fields["listed"])
                version = await publish_terms(session, clock, page.actor, terms, listed)
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        return page.redirect(f"{_PLANS}/{version.id.hex}")
