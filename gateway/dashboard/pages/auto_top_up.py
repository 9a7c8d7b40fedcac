"""The forms of automatic top-up on the page of the wallet."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency

from billing.collection.payments.checkout import Checkout
from billing.prepaid.auto_top_up import AutoTopUpInvalid
from gateway.dashboard.forms import read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.payments import render_wallet
from gateway.identity.roles import Permission
from gateway.operations.auto_top_up import (
    AutoTopUpChange,
    turn_off_auto_top_up,
    turn_on_auto_top_up,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_WALLET_URL = "/dashboard/wallet"
_EMPTY = {"threshold": "", "each": "", "monthly_ceiling": ""}


class AutoTopUpPages(Controller):
    """Handlers of `/dashboard/wallet/automatic`."""

    path = "/wallet/automatic"

    @post("/", permission=Permission.PAY)
    async def turn_on(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Store the consent to automatic top-ups."""
        fields = {**_EMPTY, **await read_form_fields(request)}
        change = AutoTopUpChange(
            fields["threshold"], fields["each"], fields["monthly_ceiling"], "consent" in fields
        )
        by = page.viewer.email
        try:
            async with database.transaction() as session:
                who = (page.actor, page.account_id)
                await turn_on_auto_top_up(session, clock, settings, *who, change, by)
        except AutoTopUpInvalid as error:
            kept = {**fields, "automatic": "1", "key": ids.new_id().hex}
            form = with_errors(page, kept, error)
            return await render_wallet(page, database, settings, checkout, form, UNPROCESSABLE)
        return page.redirect(f"{_WALLET_URL}#automatic")

    @post("/off", permission=Permission.PAY)
    async def turn_off(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        """Turn automatic top-up off."""
        async with database.transaction() as session:
            await turn_off_auto_top_up(session, clock, page.actor, page.account_id)
        return page.redirect(_WALLET_URL)
