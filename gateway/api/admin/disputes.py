"""`/v1/admin/line_disputes` and disputes of outcome settlements: list and answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.collection.line_disputes import list_open_line_disputes
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.views import disputes_page
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.operations.disputes import LineAnswer, OutcomeDisputes, answer_disputed_line
from gateway.operations.line_dispute_views import render_line_dispute
from infra import ids


class LineDisputeAnswer(msgspec.Struct):
    """The answer, printed on a credit note; `credit` such as `12.00` accepts the dispute.

    Without `credit` the dispute is rejected. `refund: true` refunds instead of crediting the
    wallet.
    """

    answer: str
    credit: str | None = None
    refund: bool = False


class OutcomeDisputeAnswer(msgspec.Struct):
    """The operator's answer to a dispute of a settlement."""

    answer: str


class OutcomeDisputeDecision(msgspec.Struct):
    """The side that wins a dispute, and the name of the arbiter."""

    side: Literal["customer", "operator"]
    by: str


_OUTCOMES = "/v1/admin/accounts/{account}/outcome_disputes/{dispute}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/admin/accounts/{account}/line_disputes/{dispute}/answer": LineDisputeAnswer,
    f"{_OUTCOMES}/answer": OutcomeDisputeAnswer,
    f"{_OUTCOMES}/decide": OutcomeDisputeDecision,
}
_LINE_ANSWER = msgspec.json.Decoder(LineDisputeAnswer)
_ANSWER = msgspec.json.Decoder(OutcomeDisputeAnswer)
_DECISION = msgspec.json.Decoder(OutcomeDisputeDecision)
_Apply = Callable[[OutcomeDisputes], Awaitable[dict[str, Any]]]


class AdminLineDisputeRoutes(Controller):
    """Disputed invoice lines."""

    path = ""

    @get(
        "/line_disputes",
        summary="List open disputes of invoice lines of all accounts, oldest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def disputes(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the open disputes with their accounts."""
        rows = await admin.read(list_open_line_disputes)
        data = [
            {
                **render_line_dispute(row),
                "account": ids.format_id(ACCOUNT_ID_PREFIX, row.account_id),
            }
            for row in rows
        ]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/accounts/{account:str}/line_disputes/{dispute:str}/answer",
        status_code=200,
        summary="Answer a dispute of an invoice line",
        admin_scope=AdminScope.DISPUTES_WRITE,
    )
    async def answer(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        dispute: FromPath[str],
    ) -> Response[bytes]:
        """Accept a dispute with a credit note, or reject it."""
        body = admin_change.decode(_LINE_ANSWER)
        by = admin_change.actor.public_id or ""
        given = LineAnswer(body.answer, by, body.credit, body.refund)

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Answer the dispute and return it."""
            place = (session, admin_change.clock, admin_change.actor, owner, dispute)
            return render_line_dispute(await answer_disputed_line(*place, given))

        return await admin_change.change_account(account, apply)


class AdminOutcomeDisputeRoutes(Controller):
    """Disputes of outcome settlements of an account."""

    path = "/accounts/{account:str}/outcome_disputes"

    @get(
        "/",
        summary="List disputes of settlements, newest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def disputes(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of an account's disputes."""
        cursor = parse_cursor(DISPUTE_PREFIX, after)
        rows = await admin.read_account(
            account, lambda session, owner: disputes_page(session, owner.id, limit + 1, cursor)
        )
        return page_json(rows, limit, lambda row: row)

    @post(
        "/{dispute:str}/answer",
        status_code=200,
        summary="Answer a dispute as the operator",
        admin_scope=AdminScope.DISPUTES_WRITE,
    )
    async def answer(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        dispute: FromPath[str],
    ) -> Response[bytes]:
        """Answer a dispute."""
        text = admin_change.decode(_ANSWER).answer
        return await _change(admin_change, account, lambda one: one.answer(dispute, text))

    @post(
        "/{dispute:str}/decide",
        status_code=200,
        summary="Decide a dispute after answer and reply",
        admin_scope=AdminScope.DISPUTES_WRITE,
    )
    async def decide(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        dispute: FromPath[str],
    ) -> Response[bytes]:
        """Decide a dispute; amounts are adjusted immediately."""
        body = admin_change.decode(_DECISION)
        return await _change(
            admin_change, account, lambda one: one.decide(dispute, body.side, body.by)
        )

    @post(
        "/{dispute:str}/concede",
        status_code=200,
        summary="Concede a dispute as the operator",
        admin_scope=AdminScope.DISPUTES_WRITE,
    )
    async def concede(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        dispute: FromPath[str],
    ) -> Response[bytes]:
        """Concede a dispute to the customer."""
        return await _change(admin_change, account, lambda one: one.concede(dispute, "operator"))


async def _change(admin: AdminRequest, account: str, apply: _Apply) -> Response[bytes]:
    """Apply a change of a dispute and return the dispute."""

    async def change(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Apply the change in the transaction of the Idempotency-Key."""
        return await apply(OutcomeDisputes(session, admin.clock, admin.actor, owner))

    return await admin.change_account(account, change)
