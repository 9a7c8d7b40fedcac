"""The viewer's own profile: name, appearance, password and sessions.

Not available when impersonating.
"""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.errors import PageNotFound, PermissionDenied
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    restored_form,
    with_errors,
)
from gateway.dashboard.i18n import LANGUAGES
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest, client_origin
from gateway.dashboard.preserved_input import PreservedFields
from gateway.dashboard.security import PreferenceCookie, preference_cookie
from gateway.dashboard.user_agent import browser_name
from gateway.identity.audit_log import record_audit_event
from gateway.identity.passkeys.service import list_passkeys
from gateway.identity.passwords import PasswordInvalid, SignInBusy
from gateway.identity.profile import PasswordWrong, PersonInvalid
from gateway.identity.services import IdentityServices
from gateway.identity.sessions import (
    SessionNotFound,
    end_other_sessions,
    end_session,
    list_sessions,
)
from gateway.identity.sso.linked_identities import list_linked_identities
from gateway.identity.throttling.lockout import LockedOut
from gateway.identity.totp import get_second_factor_status
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, errors_of

_PAGE = "/dashboard/me"
_SESSION_PREFIX = "session"
_DEFAULT_TIME_ZONE = "Asia/Shanghai"  # without a selected account
_THEMES = ("", "light", "dark")


class ProfilePages(Controller):
    """Handlers of `/dashboard/me`."""

    path = "/me"

    @get("/", name="dashboard:me", permission=None)
    async def show_profile(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the person's settings, identities and sessions."""
        return await _render_profile(page, identity, database, clock)

    @post("/name", permission=None, keeps=PreservedFields(_PAGE, ("name",)))
    async def rename_person(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the person's name."""
        require_not_impersonated(page)
        fields, viewer = await read_form_fields(request), page.viewer
        try:
            async with database.transaction() as session:
                await identity.profile.update_profile(
                    session, viewer, fields.get("name", ""), viewer.language, page.actor.address
                )
        except PersonInvalid as error:
            return await _render_profile(
                page, identity, database, clock, with_errors(page, fields, error)
            )
        return page.redirect(f"{_PAGE}?done=name")

    @post("/looks", permission=None)
    async def set_appearance(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        database: NamedDependency[Database],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the person's language and this browser's light or dark theme."""
        require_not_impersonated(page)
        fields, viewer = await read_form_fields(request), page.viewer
        language, theme = fields.get("language", ""), fields.get("theme", "")
        if language not in ("", *LANGUAGES) or theme not in _THEMES:
            raise PageNotFound("Unknown language or theme.")
        async with database.transaction() as session:
            await identity.profile.update_profile(session, viewer, viewer.name, language or None)
        response = page.redirect(f"{_PAGE}?done=looks")
        preferences: list[tuple[PreferenceCookie, str]] = [
            ("maas_language", language),
            ("maas_theme", theme),
        ]
        for name, value in preferences:
            if value:
                response.set_cookie(preference_cookie(name, value, secure=page.secure))
            else:
                response.delete_cookie(name)
        return response

    @get("/password", name="dashboard:password", permission=None)
    async def show_password_form(self, page: NamedDependency[PageRequest]) -> Response[str]:
        """Show the form to change the password."""
        require_not_impersonated(page)
        return page.render("own_password.html", form=EMPTY_FORM)

    @post("/password", permission=None)
    async def change_password(
        self,
        page: NamedDependency[PageRequest],
        identity: NamedDependency[IdentityServices],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Change the password; the other sessions end."""
        require_not_impersonated(page)
        fields, viewer = await read_form_fields(request), page.viewer
        old, new = fields.get("old_password", ""), fields.get("password", "")
        try:
            await identity.profile.change_password(viewer, old, new, client_origin(request))
        except (PasswordWrong, PasswordInvalid, LockedOut, SignInBusy, SeveralErrors) as error:
            for each in errors_of(error):
                if isinstance(each, PasswordWrong):
                    each.param = "old_password"
            form = with_errors(page, fields, error)
            return page.render("own_password.html", status=UNPROCESSABLE, form=form)
        return page.redirect(f"{_PAGE}?done=password")

    @post("/sessions/others", permission=None)
    async def end_other_sessions(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        """End all other sessions of the person."""
        require_not_impersonated(page)
        viewer = page.viewer
        async with database.transaction() as session:
            ended = await end_other_sessions(session, clock, viewer.person_id, viewer.session_id)
            if ended:
                await record_audit_event(
                    session,
                    clock,
                    page.actor,
                    viewer.account_id,
                    "session.ended",
                    "",
                    {"sessions": ended},
                )
        return page.redirect(f"{_PAGE}?done=sessions")

    @post("/sessions/{ended:str}", permission=None)
    async def end_session(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        ended: FromPath[str],
    ) -> Response[Any]:
        """End one session of the person."""
        require_not_impersonated(page)
        async with database.transaction() as session:
            await end_session(session, clock, page.viewer, _parse_session_id(ended))
            await record_audit_event(
                session,
                clock,
                page.actor,
                page.viewer.account_id,
                "session.ended",
                "",
                {"sessions": 1},
            )
        return page.redirect(f"{_PAGE}?done=sessions")


def require_not_impersonated(page: PageRequest) -> None:
    """Raise PermissionDenied if support impersonates the account: the profile is personal."""
    if page.viewer.impersonated:
        raise PermissionDenied("Stop viewing this account as customer first.")


async def _render_profile(
    page: PageRequest,
    identity: IdentityServices,
    database: Database,
    clock: Clock,
    form: FormState | None = None,
) -> Response[str]:
    """Render the profile page, with a form's errors."""
    require_not_impersonated(page)
    viewer = page.viewer
    async with database.transaction() as session:
        sessions = await list_sessions(session, clock, viewer)
        factor = await get_second_factor_status(session, viewer.person_id)
        passkeys = await list_passkeys(session, viewer)
        linked = await list_linked_identities(session, viewer.person_id)
        zone = _DEFAULT_TIME_ZONE
        if viewer.account_id is not None:
            zone = (await get_profile(session, viewer.account_id)).time_zone
    return page.render(
        "own.html",
        status=UNPROCESSABLE if form else 200,
        form=form or restored_form(page),
        sessions=[(each, browser_name(each.agent)) for each in sessions],
        factor=factor,
        providers=identity.single_sign_on.providers,
        linked={one.provider: one for one in linked},
        can_add_passkey=identity.passkeys.available,
        passkeys=[(urlsafe_b64encode(one.id).decode(), one) for one in passkeys],
        done=page.request.query_params.get("done"),
        chosen_language=viewer.language or "",
        themes=_THEMES,
        zone=parse_time_zone(zone),
        now=clock.now(),
    )


def _parse_session_id(text: str) -> UUID:
    """Parse a session id. Raises SessionNotFound if it is invalid."""
    session_id = ids.parse_id(_SESSION_PREFIX, text)
    if session_id is None:
        raise SessionNotFound("Session not found, or it has ended.")
    return session_id
