"""Start, stop and promote a shadow deployment on the page of a model."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.metering.key_epoch import read_epoch
from gateway.access.propagation import Propagation
from gateway.call.errors import ModelNotFound
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.own_models.variant import VARIANTS_URL, render_variant
from gateway.fine_tuning import shadow_changes
from gateway.identity.roles import Permission
from gateway.wire.own_models.shadows import MAX_DAYS, MAX_ROWS, ShadowRequest
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog

_FIELDS = ("version", "percent", "max_rows", "days")


class ShadowPages(Controller):
    """Handlers of `/dashboard/models/variants/{variant}/shadow`."""

    path = "/models/variants/{variant:str}/shadow"

    @post("/", permission=Permission.CALL)
    async def start(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        propagation: NamedDependency[Propagation],
        variant: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Let a version answer a share of the calls, unseen."""
        fields = await read_form_fields(request)
        try:
            async with database.transaction() as session:
                await shadow_changes.start(
                    session,
                    clock,
                    catalog,
                    page.actor,
                    page.account_id,
                    variant,
                    _request_of(fields),
                )
                epoch = await read_epoch(session)
        except ModelNotFound as error:
            raise PageNotFound(error.message) from error
        except AppError as error:
            form = with_errors(page, {one: fields.get(one, "") for one in _FIELDS}, error)
            return await render_variant(page, database, clock, variant, form, UNPROCESSABLE)
        await propagation.wait(epoch)
        return page.redirect(f"{VARIANTS_URL}/{variant}")

    @post("/stop", permission=Permission.CALL)
    async def stop(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        variant: FromPath[str],
    ) -> Response[Any]:
        """Stop the shadow deployment."""
        try:
            async with database.transaction() as session:
                await shadow_changes.stop(session, clock, page.actor, page.account_id, variant)
        except AppError as error:
            return await _refused(page, database, clock, variant, error)
        return page.redirect(f"{VARIANTS_URL}/{variant}")

    @post("/promote", permission=Permission.CALL)
    async def promote(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        propagation: NamedDependency[Propagation],
        variant: FromPath[str],
    ) -> Response[Any]:
        """Let the candidate answer calls."""
        try:
            async with database.transaction() as session:
                await shadow_changes.promote(session, clock, page.actor, page.account_id, variant)
                epoch = await read_epoch(session)
        except AppError as error:
            return await _refused(page, database, clock, variant, error)
        await propagation.wait(epoch)
        return page.redirect(f"{VARIANTS_URL}/{variant}")


def _request_of(fields: Mapping[str, str]) -> ShadowRequest:
    """Return the deployment that a form describes; other values become the nearest allowed ones."""

    def number(name: str, default: int, most: int) -> int:
        text = fields.get(name, "")
        is_number = text.isdecimal() and len(text) < 10
        return min(most, max(1, int(text))) if is_number else default

    return ShadowRequest(
        version=number("version", 1, 2**31 - 1),
        share=number("percent", 20, 100) / 100,
        max_rows=number("max_rows", 2_000, MAX_ROWS),
        days=number("days", 7, MAX_DAYS),
    )


async def _refused(
    page: PageRequest, database: Database, clock: Clock, variant: str, error: AppError
) -> Response[Any]:
    """Render the page with the error of a change. Raises PageNotFound for an unknown model."""
    if error.status == 404:
        raise PageNotFound(error.message) from error
    form = with_errors(page, {}, error)
    return await render_variant(page, database, clock, variant, form, UNPROCESSABLE)
