"""Welcoming: accepting an invitation, by somebody new or by somebody who has a password here."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.page_request import (
    INVALID,
    Looking,
    Viewing,
    place_of,
    sign_in_address,
)
from gateway.dashboard.pages.login import enter
from gateway.identity.email_address import EmailInvalid
from gateway.identity.invitation_acceptance import InvitationForAnother, Newcomer, PersonKnown
from gateway.identity.one_time_tokens import LinkUnusable
from gateway.identity.passwords import PasswordUnfit, SignInBusy
from gateway.identity.profile import PersonInvalid
from gateway.identity.services import Identity
from gateway.identity.sessions import show_account
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors

_MISTAKES = (EmailInvalid, PersonInvalid, PasswordUnfit, PersonKnown, SignInBusy, SeveralErrors)


class WelcomePages(Controller):
    """`/dashboard/invitation/…`: the link in the mail."""

    path = "/invitation/{secret:str}"

    @get("/", name="dashboard:invitation")
    async def ask(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        secret: FromPath[str],
    ) -> Response[str]:
        return await _page(looking, identity, secret, EMPTY, 200)

    @post("/")
    async def accept(
        self,
        looking: NamedDependency[Looking],
        identity: NamedDependency[Identity],
        clock: NamedDependency[Clock],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said = await fields_of(request)
        newcomer = Newcomer(
            said.get("name", ""), said.get("password", ""), looking.language, said.get("email")
        )
        try:
            opened = await identity.accepting.accept(secret, newcomer, place_of(request))
        except LinkUnusable:
            return looking.page("link_unusable.html", status=LinkUnusable.status)
        except _MISTAKES as error:
            form = mistaken(looking, said, error)
            return await _page(looking, identity, secret, form, INVALID)
        return enter(looking, clock, opened, "/dashboard")

    @get("/join", permission=None)
    async def confirm(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        secret: FromPath[str],
    ) -> Response[str]:
        """Where somebody known comes back to after signing in."""
        try:
            invited = await identity.accepting.look(secret)
        except LinkUnusable:
            return viewing.page("link_unusable.html", status=LinkUnusable.status)
        return viewing.page("join.html", invited=invited, form=EMPTY)

    @post("/join", permission=None)
    async def join(
        self,
        viewing: NamedDependency[Viewing],
        identity: NamedDependency[Identity],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        secret: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        place, viewer = place_of(request), viewing.viewer
        try:
            async with database.transaction() as session:
                account_id = await identity.accepting.join(session, viewer, secret, place.address)
                await show_account(session, clock, viewer, account_id)
        except LinkUnusable:
            return viewing.page("link_unusable.html", status=LinkUnusable.status)
        except InvitationForAnother as error:
            invited = await identity.accepting.look(secret)
            form = mistaken(viewing, {}, error)
            return viewing.page("join.html", status=INVALID, invited=invited, form=form)
        return viewing.go("/dashboard")


async def _page(
    looking: Looking, identity: Identity, secret: str, form: Filled, status: int
) -> Response[str]:
    try:
        invited = await identity.accepting.look(secret)
    except LinkUnusable:
        return looking.page("link_unusable.html", status=LinkUnusable.status)
    join = sign_in_address(f"/dashboard/invitation/{secret}/join")
    return looking.page("invitation.html", status=status, invited=invited, form=form, join=join)
