"""Outcome contracts that cover calls, for tests that call real gateways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx

from billing.dates import local_day, local_midnight, next_billing_month_start
from billing.outcomes.contracts.agreement import VersionReference, agree_to_version, end_contract
from billing.outcomes.contracts.contracts import propose_version, version_hash
from billing.outcomes.contracts.terms import (
    AttesterKind,
    ContractDeadlines,
    EventEffect,
    OutcomeTerms,
)
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.terms import Allowance
from billing.tables import OutcomeVersion
from gateway.access.price_book import catalog_price_terms
from tests.support.builders import CATALOG, CHAT, SPECIALIST, Gateway
from tests.support.clocks import ShiftedClock
from tests.support.outcomes.deals import CUSTOMER, OPERATOR

SHANGHAI = ZoneInfo("Asia/Shanghai")
# Of an answer of the fake model server every token costs so much, in nano-yuan.
INPUT, OUTPUT = 500, 2_000
# What a body's size bounds a prompt by is a few hundred tokens, which may come from a cache.
PROMPTS = tuple(Allowance(CHAT, one, 100_000) for one in ("input_tokens", "cached_input_tokens"))


def month_after(at: datetime) -> datetime:
    """The start of the next calendar month in Shanghai."""
    return local_midnight(next_billing_month_start(local_day(at, SHANGHAI), 1), SHANGHAI)


def terms(starts_at: datetime, **values: Any) -> OutcomeTerms:
    usual: dict[str, Any] = {
        "tag": "pumps",
        "names": {"en": "Pumps", "zh": "水泵"},
        "currency": "CNY",
        "effect": "A pump failure was foreseen.",
        "kind": EventEffect(lead_hours=2, window_hours=168, apart_hours=72),
        "price": PerUnit(300 * 10**9),
        "meter": "work orders",
        "attesters": (AttesterKind.CUSTOMER_SYSTEM,),
        "deadlines": ContractDeadlines(dispute_days=10, answer_days=5, reversal_days=90),
        "starts_at": starts_at,
        "ends_at": None,
    }
    return OutcomeTerms(**{**usual, **values})


@dataclass
class Covered:
    """A gateway's customer with a contract that covers calls of the chat model from the next
    month on, and a clock that can be set."""

    gateway: Gateway
    clock: ShiftedClock
    starts_at: datetime
    versions: list[OutcomeVersion] = field(default_factory=list)

    async def agrees(
        self, starts_at: datetime | None = None, account_id: UUID | None = None, **values: Any
    ) -> OutcomeVersion:
        """A version that both sides agree to now: all prompts, and 20 tokens of answers unless it
        says otherwise, are covered, and `rows` of the specialist."""
        answers = Allowance(CHAT, "output_tokens", values.pop("output_tokens", 20))
        rows = values.pop("rows", 0)
        judged = (Allowance(SPECIALIST, "rows", rows),) if rows else ()
        covered = (*PROMPTS, answers, *judged)
        said = terms(starts_at or self.starts_at, covered=covered, **values)
        listed = catalog_price_terms(CATALOG, "CNY")
        place = (self.clock, account_id or self.gateway.account.id)
        async with self.gateway.parts.database.transaction() as session:
            version = await propose_version(session, *place, said, OPERATOR, listed)
            to = VersionReference(version.number, version_hash(version))
            for side in (CUSTOMER, OPERATOR):
                await agree_to_version(session, *place, version.contract_id, to, side, listed)
        self.versions.append(version)
        return version

    async def ends(self, at: datetime | None = None) -> None:
        place = (self.gateway.account.id, self.versions[-1].contract_id)
        async with self.gateway.parts.database.transaction() as session:
            await end_contract(session, self.clock, *place, OPERATOR, at)

    def begins(self) -> None:
        """Set the clock to one hour after the contract's start."""
        self.clock.to(self.starts_at + timedelta(hours=1))

    async def chat(self, contract: str = "pumps", **values: Any) -> httpx.Response:
        """Make a call for a contract: one input word, 10 output tokens."""
        body = {**asked(), **values}
        headers = tagged(contract)
        return await self.gateway.http.post("/v1/chat/completions", json=body, headers=headers)

    def plan_version(self, number: int) -> str:
        """The plan version id of a contract version's covered calls, as in usage rows."""
        found = self.versions[number].plan_version_id
        assert found is not None
        return found.hex

    async def newest(self) -> dict[str, Any]:
        """The newest usage row, which is written before its response completes."""
        shown: dict[str, Any] = (await self.gateway.http.get("/v1/usage?limit=1")).json()["data"][0]
        return shown


def covered_customer(gateway: Gateway) -> Covered:
    clock = gateway.parts.clock
    assert isinstance(clock, ShiftedClock)
    return Covered(gateway, clock, month_after(clock.now()))


def asked() -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": "one"}], "max_tokens": 10}


def tagged(contract: str) -> Mapping[str, str]:
    return {"x-maas-tags": f"contract={contract},machine=P-101"}
