"""`/v1/admin/signups`: list, retrieve, approve and reject sign-ups; release a company."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.operations.accounts import validate_reason
from gateway.operations.signups import SignupReview, release_account_company, reviewed_signup_json
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.signups.queries import find_signup, page_signups, signup_json
from gateway.signups.service import SignupService
from gateway.tables import Signup


class SignupApproval(msgspec.Struct):
    """The reason, sent to the person. `grant: false` opens the account without starting grant."""

    reason: str
    grant: bool = True


class SignupRejection(msgspec.Struct):
    """The reason, 3 to 300 characters, sent to the person."""

    reason: str


class CompanyRelease(msgspec.Struct):
    """Why an account loses its company; `suspend: true` also rejects its calls."""

    reason: str
    suspend: bool = False


_SIGNUP = "/v1/admin/signups/{signup}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_SIGNUP}/approve": SignupApproval,
    f"{_SIGNUP}/reject": SignupRejection,
    "/v1/admin/accounts/{account}/release_company": CompanyRelease,
}
_APPROVAL = msgspec.json.Decoder(SignupApproval)
_REJECTION = msgspec.json.Decoder(SignupRejection)
_RELEASE = msgspec.json.Decoder(CompanyRelease)
_Status = Literal["review", "opened", "refused", "unverified"]
_Review = Callable[[AsyncSession, SignupReview, str], Awaitable[Signup]]


class AdminSignupRoutes(Controller):
    """Sign-ups of companies, and their review."""

    path = ""

    @get("/signups", summary="List sign-ups, newest first", admin_scope=AdminScope.ACCOUNTS_READ)
    async def signups(
        self,
        admin: NamedDependency[AdminRequest],
        status: FromQuery[_Status | None] = None,
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of sign-ups, of a status if given; `review` are those that wait."""
        cursor = parse_cursor(SIGNUP_ID_PREFIX, after)
        rows = await admin.read(lambda session: page_signups(session, status, limit + 1, cursor))
        return page_json(rows, limit, signup_json)

    @get(
        "/signups/{signup:str}",
        summary="Retrieve a sign-up with its facts, decided again by them",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def signup(
        self, admin: NamedDependency[AdminRequest], signup: FromPath[str]
    ) -> dict[str, Any]:
        """Return a sign-up."""
        return reviewed_signup_json(await admin.read(lambda session: find_signup(session, signup)))

    @post(
        "/signups/{signup:str}/approve",
        status_code=200,
        summary="Approve a sign-up in review",
        admin_scope=AdminScope.SIGNUPS_WRITE,
    )
    async def approve(
        self,
        admin_change: NamedDependency[AdminRequest],
        signups: NamedDependency[SignupService],
        signup: FromPath[str],
    ) -> Response[bytes]:
        """Open the account and give the starting grant, once per mailbox and company."""
        body, actor = admin_change.decode(_APPROVAL), admin_change.actor

        async def review(session: AsyncSession, reviews: SignupReview, note: str) -> Signup:
            """Approve the sign-up."""
            return await reviews.approve(session, actor, signup, note, grant=body.grant)

        return await _review(admin_change, signups, body.reason, review)

    @post(
        "/signups/{signup:str}/reject",
        status_code=200,
        summary="Reject a sign-up in review",
        admin_scope=AdminScope.SIGNUPS_WRITE,
    )
    async def reject(
        self,
        admin_change: NamedDependency[AdminRequest],
        signups: NamedDependency[SignupService],
        signup: FromPath[str],
    ) -> Response[bytes]:
        """Reject a sign-up: no account, or no grant if the account is open."""
        reason, actor = admin_change.decode(_REJECTION).reason, admin_change.actor

        async def review(session: AsyncSession, reviews: SignupReview, note: str) -> Signup:
            """Reject the sign-up."""
            return await reviews.reject(session, actor, signup, note)

        return await _review(admin_change, signups, reason, review)

    @post(
        "/accounts/{account:str}/release_company",
        status_code=200,
        summary="Release the company and credit code of an account",
        admin_scope=AdminScope.SIGNUPS_WRITE,
    )
    async def release(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Release a company whose rightful owner objects; then approve the owner's sign-up."""
        body, clock = admin_change.decode(_RELEASE), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Release the company and return its credit code."""
            place = (session, clock, admin_change.actor, owner.id, body.reason)
            code = await release_account_company(*place, suspend=body.suspend)
            return {"object": "company_release", "account": owner.name, "credit_code": code}

        return await admin_change.change_account(account, apply)


async def _review(
    admin: AdminRequest, service: SignupService, reason: str, review: _Review
) -> Response[bytes]:
    """Review a sign-up and return it."""
    note, reviews = validate_reason(reason), SignupReview.of_service(service, admin.clock)

    async def apply(session: AsyncSession) -> dict[str, Any]:
        """Review the sign-up in the transaction of the Idempotency-Key."""
        return signup_json(await review(session, reviews, note))

    return await admin.change(apply)
