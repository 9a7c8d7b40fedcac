"""Their own: name, looks, password and sessions of the person who is signed in.

Who looks at others' pages as support sees none of them.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import read_profile
from billing.dates import zone_of
from gateway.dashboard.errors import NotAllowed, PageNotFound
from gateway.dashboard.forms import EMPTY, Filled, fields_of, kept_form, mistaken
from gateway.dashboard.i18n import LANGUAGES
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing, place_of
from gateway.dashboard.security import Wish, wish_cookie
from gateway.dashboard.user_agent import browser_name
from gateway.identity.audit_log import record
from gateway.identity.lockout import LockedOut
from gateway.identity.passwords import PasswordUnfit, SignInBusy
from gateway.identity.profile import PasswordWrong, PersonInvalid
from gateway.identity.services import Identity
from gateway.identity.sessions import SessionNotFound, end_others, end_session, my_sessions
from gateway.identity.totp import second_factor_of
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, errors_of

_PAGE = "/dashboard/me"
_SESSION = "session"
_ZONE = "Asia/Shanghai"  # of who looks at no account
_THEMES = ("", "light", "dark")


class OwnPages(Controller):
    """`/dashboard/me…`."""

    path = "/me"

    @get("/", name="dashboard:me", permission=None)
    async def own(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        return await _own(viewing, database, clock)

    @post("/name", permission=None, keeps=Keeps(_PAGE, ("name",)))
    async def rename(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        require_oneself(viewing)
        said, viewer = await fields_of(request), viewing.viewer
        place = viewer, said.get("name", ""), viewer.language, viewing.actor.address
        try:
            async with database.transaction() as session:
                await identity.own.describe(session, *place)
        except PersonInvalid as error:
            return await _own(viewing, database, clock, mistaken(viewing, said, error))
        return viewing.go(f"{_PAGE}?done=name")

    @post("/looks", permission=None)
    async def looks(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """The language of the person, everywhere; light or dark of this browser."""
        require_oneself(viewing)
        said, viewer = await fields_of(request), viewing.viewer
        language, theme = said.get("language", ""), said.get("theme", "")
        if language not in ("", *LANGUAGES) or theme not in _THEMES:
            raise PageNotFound("There is no such choice.")
        async with database.transaction() as session:
            await identity.own.describe(session, viewer, viewer.name, language or None)
        answer = viewing.go(f"{_PAGE}?done=looks")
        wishes: list[tuple[Wish, str]] = [("maas_language", language), ("maas_theme", theme)]
        for name, value in wishes:
            if value:
                answer.set_cookie(wish_cookie(name, value, secure=viewing.secure))
            else:
                answer.delete_cookie(name)
        return answer

    @get("/password", name="dashboard:password", permission=None)
    async def password(self, viewing: NamedDependency[Viewing]) -> Response[str]:
        require_oneself(viewing)
        return viewing.page("own_password.html", form=EMPTY)

    @post("/password", permission=None)
    async def change_password(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        require_oneself(viewing)
        said, viewer = await fields_of(request), viewing.viewer
        old, new = said.get("old_password", ""), said.get("password", "")
        try:
            await identity.own.change_password(viewer, old, new, place_of(request))
        except (PasswordWrong, PasswordUnfit, LockedOut, SignInBusy, SeveralErrors) as error:
            for one in errors_of(error):
                if isinstance(one, PasswordWrong):
                    one.param = "old_password"
            form = mistaken(viewing, said, error)
            return viewing.page("own_password.html", status=INVALID, form=form)
        return viewing.go(f"{_PAGE}?done=password")

    @post("/sessions/others", permission=None)
    async def end_others(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        require_oneself(viewing)
        viewer = viewing.viewer
        async with database.transaction() as session:
            ended = await end_others(session, clock, viewer.person_id, viewer.session_id)
            if ended:
                what = viewer.account_id, "session.ended", "", {"sessions": ended}
                await record(session, clock, viewing.actor, *what)
        return viewing.go(f"{_PAGE}?done=sessions")

    @post("/sessions/{ended:str}", permission=None)
    async def end(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        ended: FromPath[str],
    ) -> Response[Any]:
        require_oneself(viewing)
        async with database.transaction() as session:
            await end_session(session, clock, viewing.viewer, _session_id(ended))
            what = viewing.viewer.account_id, "session.ended", "", {"sessions": 1}
            await record(session, clock, viewing.actor, *what)
        return viewing.go(f"{_PAGE}?done=sessions")


def require_oneself(viewing: Viewing) -> None:
    """Raises NotAllowed for support that looks at an account: those pages are the person's."""
    if viewing.viewer.impersonated:
        raise NotAllowed("End looking at this account first.")


async def _own(
    viewing: Viewing, database: Database, clock: Clock, form: Filled | None = None
) -> Response[str]:
    require_oneself(viewing)
    viewer = viewing.viewer
    async with database.transaction() as session:
        sessions = await my_sessions(session, clock, viewer)
        factor = await second_factor_of(session, viewer.person_id)
        zone = _ZONE
        if viewer.account_id is not None:
            zone = (await read_profile(session, viewer.account_id)).time_zone
    return viewing.page(
        "own.html",
        status=INVALID if form else 200,
        form=form or kept_form(viewing),
        sessions=[(one, browser_name(one.agent)) for one in sessions],
        factor=factor,
        done=viewing.request.query_params.get("done"),
        chosen_language=viewer.language or "",
        themes=_THEMES,
        zone=zone_of(zone),
        now=clock.now(),
    )


def _session_id(text: str) -> UUID:
    found = ids.parse(_SESSION, text)
    if found is None:
        raise SessionNotFound("There is no such session, or it has ended.")
    return found
