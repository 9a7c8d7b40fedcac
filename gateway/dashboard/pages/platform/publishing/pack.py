"""The pages to offer a prepaid pack: file, preview, confirmation; and its withdrawal."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from billing.prepaid.pack_offers import PackInvalid, PackNotFound, parse_pack_file
from billing.rating.terms import TermsInvalid
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.publishing.file_form import (
    MAX_FORM_BYTES,
    FileUnreadable,
    read_file_form,
    render_form,
)
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.operations.pack_publication import preview_offer
from gateway.operations.prepaid import offer_pack, withdraw_offer
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

_PACKS = "/dashboard/platform/packs"
_TEMPLATE = "platform/publish_pack.html"
_ERRORS = (FileUnreadable, PackInvalid, TermsInvalid)
_PRESERVED = PreservedFields(f"{_PACKS}/new", ("file",))


class PackPublishingPages(Controller):
    """Handlers of `/dashboard/platform/packs/new` and of the forms that follow it."""

    path = "/platform/packs"
    opt = {"permission": Permission.OPERATE}  # noqa: RUF012  # declared by Litestar

    @get("/new", name="platform:publish-pack")
    async def show_pack_form(self, page: NamedDependency[PageRequest]) -> Response[str]:
        """Show the form of a pack file."""
        return render_form(page, _TEMPLATE, restored_form(page))

    @post("/preview", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def preview_pack(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        """Show the pack and the offer that it replaces."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {})
            offer = parse_pack_file(fields["file"], catalog.models)
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        async with database.transaction() as session:
            publication = await preview_offer(session, clock.now(), offer)
        return page.render(
            "platform/publish_pack_preview.html", publication=publication, form=FormState(fields)
        )

    @post("/publish", keeps=_PRESERVED, request_max_body_size=MAX_FORM_BYTES)
    async def publish_pack(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Offer the previewed pack."""
        fields: dict[str, str] = {}
        try:
            fields = await read_file_form(request, {})
            offer = parse_pack_file(fields["file"], catalog.models)
            async with database.transaction() as session:
                await offer_pack(session, clock, page.actor, offer)
        except _ERRORS as error:
            return render_form(page, _TEMPLATE, FormState(fields), error)
        return page.redirect(_PACKS)

    @post("/withdraw")
    async def withdraw_pack(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Stop offering a pack; bought ones stay valid."""
        fields = {"name": "", "currency": "", **await read_form_fields(request)}
        try:
            async with database.transaction() as session:
                place = (session, clock, page.actor, fields["name"], fields["currency"])
                await withdraw_offer(*place)
        except PackNotFound as error:
            raise PageNotFound("No pack on offer has this name.") from error
        return page.redirect(_PACKS)
