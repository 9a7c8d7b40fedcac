"""Accounts on plans with allowances, for tests with real gateways."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from billing.plan_changes.plan_changes import start_plan
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from tests.support import builders
from tests.support.builders import CHAT, PLENTY, Gateway

INPUT, OUTPUT = 500, 2_000  # nano-yuan for a token
_PLAN = """
plan = "{name}"
names = {{ en = "Included", zh = "内含" }}
currency = "CNY"
alignment = "anniversary"

[[price]]
model = "{model}"
meter = "input_tokens"
per = 1_000_000
price = "0.50"

[[price]]
model = "{model}"
meter = "output_tokens"
per = 1_000_000
price = "2.00"
"""
_ALLOWANCE = """
[[allowance]]
model = "{model}"
meter = "{meter}"
quantity = {quantity}
"""
_QUOTAS = """
    select q.scope, q.amount, q.used + coalesce(
        (select sum(l.used - l.folded) from quota_lease l where l.quota_id = q.id), 0
    ) from quota q
    where q.account_id = :of and q.kind = 'included_units' order by q.id
"""


@dataclass
class Subscriber:
    """An account on a plan, with a key."""

    database: Database
    account_id: UUID
    key_id: UUID
    secret: str

    async def used(self) -> dict[str, tuple[int, int]]:
        """Included and used units by model and meter."""
        rows = await self._all(_QUOTAS)
        return {scope: (amount, int(used)) for scope, amount, used in rows}

    async def spent(self) -> int:
        """The cost of the account's calls, by their usage rows."""
        rows = await self._all(
            "select coalesce(sum(cost_nano), 0) from usage where account_id = :of"
        )
        return int(rows[0][0])

    async def _all(self, query: str) -> Sequence[Any]:
        async with self.database.transaction() as session:
            return (await session.execute(text(query), {"of": self.account_id})).all()


def plan_text(name: str, **allowances: int) -> str:
    """A plan with allowances for meters of the chat model; `any_…` apply to all models.

    Its months begin on the day of subscribing, so that nothing is prorated.
    """
    parts = [_PLAN.format(name=name, model=CHAT)]
    for meter, quantity in allowances.items():
        model = "*" if meter.startswith("any_") else CHAT
        of = {"model": model, "meter": meter.removeprefix("any_"), "quantity": quantity}
        parts.append(_ALLOWANCE.format(**of))
    return "".join(parts)


async def subscriber(
    database: Database,
    configured: Settings,
    clock: Clock,
    name: str = "subscriber",
    credit_nano: int = 0,
    **allowances: int,
) -> Subscriber:
    """An account with this credit on such a plan."""
    terms = replace(PLENTY, credit_nano=credit_nano)
    account, key = await builders.customer(database, configured, name=name, terms=terms)
    async with database.transaction() as session:
        plan = parse_plan_file(plan_text(name, **allowances), lambda _currency: {})
        await start_plan(session, clock, account.id, await publish_plan(session, clock, plan))
    return Subscriber(database, account.id, key.row.id, key.secret)


async def subscribe(gateway: Gateway, **allowances: int) -> None:
    plan = parse_plan_file(plan_text("included", **allowances), lambda _currency: {})
    clock = gateway.parts.clock
    async with gateway.parts.database.transaction() as session:
        await start_plan(
            session, clock, gateway.account.id, await publish_plan(session, clock, plan)
        )
