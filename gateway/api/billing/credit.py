"""`/v1/credit`: the account's credit limit, why it is so, what raises it, and past decisions."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from billing.accounts.profiles import get_account_currency
from billing.credit.evaluation import list_decisions
from billing.credit.views import (
    DECISION_ID_PREFIX,
    decision_to_json,
    load_standing,
    standing_to_json,
)
from gateway.api.pagination import PageLimit, parse_cursor
from gateway.call.values import Principal
from infra.clock import Clock
from infra.database.database import Database


class CreditRoutes(Controller):
    """The account's credit; amounts are decimal strings in its currency."""

    path = "/v1/credit"

    @get("/", summary="Retrieve the credit limit, its reasons, and what raises it next")
    async def credit(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the account's credit as JSON; `policy` is null if the operator sets the limit."""
        async with database.transaction() as session:
            standing = await load_standing(session, principal.account_id, clock.now())
        return standing_to_json(standing)

    @get("/decisions", summary="List decisions on the credit limit, newest first")
    async def decisions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's decisions, newest first."""
        cursor = parse_cursor(DECISION_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_decisions(session, principal.account_id, limit + 1, cursor)
            currency = await get_account_currency(session, principal.account_id)
        data = [decision_to_json(row, currency) for row in rows[:limit]]
        return {"object": "list", "data": data, "has_more": len(rows) > limit}
