"""The second factor: setting it up with an authenticator app, and turning it off.

The secret is on the page until it is confirmed; recovery codes are on the page that answers that,
and on no other.
"""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency

from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.pages.profile import require_oneself
from gateway.dashboard.qr import qr_path
from gateway.identity.lockout import LockedOut
from gateway.identity.passwords import SignInBusy
from gateway.identity.profile import PasswordWrong
from gateway.identity.services import Identity
from gateway.identity.totp import (
    CodeWrong,
    Enrolment,
    SecondFactor,
    SecondFactorOff,
    SecondFactorOn,
    confirm,
    enrol,
    enrolling,
    second_factor_of,
)
from infra.clock import Clock
from infra.database.database import Database

_PAGE = "/dashboard/me/second-factor"


class SecondFactorPages(Controller):
    """`/dashboard/me/second-factor…`."""

    path = "/me/second-factor"

    @get("/", name="dashboard:second-factor", permission=None)
    async def show(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
    ) -> Response[str]:
        return await _page(viewing, identity, database)

    @post("/", permission=None)
    async def begin(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
    ) -> Response[Any]:
        require_oneself(viewing)
        try:
            async with database.transaction() as session:
                await enrol(session, identity.sealer, viewing.viewer.person_id)
        except SecondFactorOn:
            return viewing.go(_PAGE)
        return viewing.go(_PAGE)

    @post("/confirm", permission=None)
    async def confirm(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        require_oneself(viewing)
        said, person_id = await fields_of(request), viewing.viewer.person_id
        place = clock, identity.sealer, viewing.actor, person_id, said.get("code", "")
        try:
            async with database.transaction() as session:
                codes = await confirm(session, *place)
        except CodeWrong as error:
            error.param = "code"
            return await _page(viewing, identity, database, mistaken(viewing, said, error))
        except (SecondFactorOn, SecondFactorOff):
            return viewing.go(_PAGE)
        return viewing.page("own_recovery.html", codes=codes)

    @post("/off", permission=None)
    async def turn_off(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        require_oneself(viewing)
        said, place = await fields_of(request), place_of(request)
        try:
            password = said.get("password", "")
            await identity.own.turn_second_factor_off(viewing.viewer, password, place)
        except (PasswordWrong, LockedOut, SignInBusy) as error:
            return await _page(viewing, identity, database, mistaken(viewing, said, error))
        return viewing.go("/dashboard/me?done=second_factor_off")


async def _page(
    viewing: Viewing, identity: Identity, database: Database, form: Filled | None = None
) -> Response[str]:
    require_oneself(viewing)
    person_id = viewing.viewer.person_id
    async with database.transaction() as session:
        factor = await second_factor_of(session, person_id)
        begun = None
        if factor.begun:
            begun = await enrolling(session, identity.sealer, person_id)
    return _shown(viewing, factor, begun, form)


def _shown(
    viewing: Viewing, factor: SecondFactor, begun: Enrolment | None, form: Filled | None
) -> Response[str]:
    size, path = qr_path(begun.uri) if begun else (0, "")
    return viewing.page(
        "own_second_factor.html",
        status=INVALID if form else 200,
        form=form or EMPTY,
        factor=factor,
        begun=begun,
        size=size,
        path_of_dark=path,
    )
