"""Signing in and out, and a new password for who forgot it."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.page_request import INVALID, Looking, Viewing, place_of, safe_address
from gateway.dashboard.security import ended_cookie, session_cookie
from gateway.identity.lockout import LockedOut
from gateway.identity.login import CredentialsWrong, SecondFactorWanted
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordUnfit, SignInBusy
from gateway.identity.services import Identity
from gateway.identity.sessions import Opened, end_session
from gateway.identity.totp import CodeWrong
from infra.clock import Clock
from infra.database.database import Database

_REFUSALS = (CredentialsWrong, LockedOut, SignInBusy)


class SignInPages(Controller):
    """For those who are not signed in, but for signing out."""

    @get("/sign-in", name="dashboard:sign-in")
    async def ask(
        self, looking: NamedDependency[Looking], following: FromQuery[str | None] = None
    ) -> Response[str]:
        after = safe_address(looking.request.query_params.get("next"))
        return looking.page("sign_in.html", form=EMPTY, after=after, done=following)

    @post("/sign-in")
    async def sign_in(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said = await fields_of(request)
        after = safe_address(said.get("next"))
        try:
            opened = await identity.signing_in.sign_in(
                said.get("email", ""), said.get("password", ""), place_of(request)
            )
        except SecondFactorWanted as wanted:
            ticket = wanted.ticket
            return looking.page("sign_in_code.html", form=EMPTY, after=after, ticket=ticket)
        except _REFUSALS as error:
            form = mistaken(looking, said, error)
            return looking.page("sign_in.html", status=INVALID, form=form, after=after, done=None)
        return enter(looking, clock, opened, after)

    @post("/sign-in/code")
    async def second_step(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said = await fields_of(request)
        after, ticket = safe_address(said.get("next")), said.get("ticket", "")
        try:
            opened = await identity.signing_in.second_step(
                ticket, said.get("code", ""), place_of(request)
            )
        except (CodeWrong, LockedOut) as error:
            form = mistaken(looking, {}, error)
            return looking.page(
                "sign_in_code.html", status=INVALID, form=form, after=after, ticket=ticket
            )
        except LinkUnusable:
            late = Filled(error=looking.say("That took too long. Please begin again."))
            return looking.page("sign_in.html", status=INVALID, form=late, after=after, done=None)
        return enter(looking, clock, opened, after)

    @post("/sign-out", permission=None)
    async def leave(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[Any]:
        async with database.transaction() as session:
            await end_session(session, clock, viewing.viewer, viewing.viewer.session_id)
        answer = viewing.go("/dashboard/sign-in")
        answer.set_cookie(ended_cookie(secure=viewing.secure))
        return answer

    @get("/forgot", name="dashboard:forgot")
    async def forgot(self, looking: NamedDependency[Looking]) -> Response[str]:
        return looking.page("forgot.html", sent=False)

    @post("/forgot")
    async def send(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        request: Request[Any, Any, Any],
    ) -> Response[str]:
        email = (await fields_of(request)).get("email", "")
        answer = looking.page("forgot.html", sent=True)
        # After the answer, so that its time does not tell whether anybody has the address.
        answer.background = BackgroundTask(identity.resets.ask, email, place_of(request))
        return answer

    @get("/reset/{secret:str}")
    async def new_password(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        secret: FromPath[str],
    ) -> Response[str]:
        try:
            await identity.resets.look(secret)
        except LinkUnusable:
            return looking.page("link_unusable.html", status=LinkUnusable.status)
        return looking.page("reset.html", form=EMPTY)

    @post("/reset/{secret:str}")
    async def set_password(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said = await fields_of(request)
        try:
            await identity.resets.use(secret, said.get("password", ""), place_of(request))
        except LinkUnusable:
            return looking.page("link_unusable.html", status=LinkUnusable.status)
        except (PasswordUnfit, SignInBusy) as error:
            form = mistaken(looking, said, error)
            return looking.page("reset.html", status=INVALID, form=form)
        return looking.go("/dashboard/sign-in?following=reset")


def enter(looking: Looking, clock: Clock, opened: Opened, after: str) -> Response[Any]:
    """Go on, with the session's cookie."""
    answer = looking.go(after)
    seconds = int((opened.expires_at - clock.now()).total_seconds())
    answer.set_cookie(session_cookie(opened.token, seconds, secure=looking.secure))
    return answer
