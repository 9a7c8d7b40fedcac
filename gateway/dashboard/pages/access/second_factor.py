"""The second factor: enrolment with an authenticator app (TOTP), and turning it off.

The secret is shown until it is confirmed. Recovery codes are shown once, on the response to the
confirmation.
"""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest, client_origin
from gateway.dashboard.pages.access.profile import require_not_impersonated
from gateway.dashboard.qr import qr_svg_path
from gateway.identity.passwords import SignInBusy
from gateway.identity.profile import PasswordWrong
from gateway.identity.services import IdentityServices
from gateway.identity.throttling.lockout import LockedOut
from gateway.identity.totp import (
    CodeWrong,
    Enrolment,
    SecondFactorAlreadyOn,
    SecondFactorNotStarted,
    SecondFactorStatus,
    confirm_enrolment,
    get_pending_enrolment,
    get_second_factor_status,
    start_enrolment,
)
from infra.clock import Clock
from infra.database.database import Database

_PAGE = "/dashboard/me/second-factor"


class SecondFactorPages(Controller):
    """Handlers of `/dashboard/me/second-factor`."""

    path = "/me/second-factor"

    @get("/", name="dashboard:second-factor", permission=None)
    async def show_second_factor(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
    ) -> Response[str]:
        """Show whether two-step verification is on."""
        return await _render_second_factor(page, identity, database)

    @post("/", permission=None)
    async def start_enrolment(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
    ) -> Response[Any]:
        """Start two-step verification: show the secret and its QR code."""
        require_not_impersonated(page)
        try:
            async with database.transaction() as session:
                await start_enrolment(session, identity.sealer, page.viewer.person_id)
        except SecondFactorAlreadyOn:
            return page.redirect(_PAGE)
        return page.redirect(_PAGE)

    @post("/confirm", permission=None)
    async def confirm_enrolment(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Turn two-step verification on with a first code; shows the recovery codes once."""
        require_not_impersonated(page)
        fields, person_id = await read_form_fields(request), page.viewer.person_id
        try:
            async with database.transaction() as session:
                codes = await confirm_enrolment(
                    session, clock, identity.sealer, page.actor, person_id, fields.get("code", "")
                )
        except CodeWrong as error:
            error.param = "code"
            return await _render_second_factor(
                page, identity, database, with_errors(page, fields, error)
            )
        except (SecondFactorAlreadyOn, SecondFactorNotStarted):
            return page.redirect(_PAGE)
        return page.render("own_recovery.html", codes=codes)

    @post("/off", permission=None)
    async def turn_off(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Turn two-step verification off."""
        require_not_impersonated(page)
        fields, origin = await read_form_fields(request), client_origin(request)
        try:
            password = fields.get("password", "")
            await identity.profile.disable_second_factor(page.viewer, password, origin)
        except (PasswordWrong, LockedOut, SignInBusy) as error:
            return await _render_second_factor(
                page, identity, database, with_errors(page, fields, error)
            )
        return page.redirect("/dashboard/me?done=second_factor_off")


async def _render_second_factor(
    page: PageRequest, identity: IdentityServices, database: Database, form: FormState | None = None
) -> Response[str]:
    """Load the state of the second factor and render its page."""
    require_not_impersonated(page)
    person_id = page.viewer.person_id
    async with database.transaction() as session:
        factor = await get_second_factor_status(session, person_id)
        enrolment = None
        if factor.is_enrolment_pending:
            enrolment = await get_pending_enrolment(session, identity.sealer, person_id)
    return _second_factor_response(page, factor, enrolment, form)


def _second_factor_response(
    page: PageRequest,
    factor: SecondFactorStatus,
    enrolment: Enrolment | None,
    form: FormState | None,
) -> Response[str]:
    """Render the page, with the QR code of a pending enrolment."""
    size, path = qr_svg_path(enrolment.uri) if enrolment else (0, "")
    return page.render(
        "own_second_factor.html",
        status=UNPROCESSABLE if form else 200,
        form=form or EMPTY_FORM,
        factor=factor,
        begun=enrolment,
        size=size,
        path_of_dark=path,
    )
