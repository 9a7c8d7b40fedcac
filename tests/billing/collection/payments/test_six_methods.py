"""Six payment methods under duplicated, reordered, forged and lost notifications.

Card and Alipay through Stripe, WeChat Pay, Alipay, bank transfer, Stripe Checkout: each payment is
credited once, the ledger sums to zero, and reconciliation finds every planted difference. `make
simulations` has 1,000 notifications for each method, `make test` 12.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from tests.support.billing.making import sql
from tests.support.nightly import at_length
from tests.support.paying.messages import Message
from tests.support.paying.methods import SIX_METHODS, Fate, Paid, PaymentMethod
from tests.support.paying.service import PayingService
from tests.support.verdicts import Verdicts

NOTIFICATIONS, SEED = int(os.environ.get("MAAS_NOTIFICATIONS", at_length(1000, 12))), 32
# Three copies and a forgery of each payment, as long as they are not lost.
PAYMENTS = NOTIFICATIONS // 4
_NOT_NOW = 503


@dataclass(frozen=True)
class Arrival:
    """A message about a payment; providers sign it when they send it."""

    method: PaymentMethod
    paid: Paid
    authentic: bool

    def message(self) -> Message:
        """The message, signed now."""
        return (self.method.message if self.authentic else self.method.forged)(self.paid)


async def opened(service: PayingService, dice: random.Random) -> list[PaymentMethod]:
    """All methods with their payments: usage of last month is invoiced, orders are open."""
    methods = [kind(service, dice) for kind in SIX_METHODS]
    service.goes_to_now()
    service.story.clock._now -= timedelta(days=35)
    for method in methods:
        await method.enroll(PAYMENTS)
    service.goes_to_now()
    await service.worker.bill()
    await service.exchanges()
    for method in methods:
        await method.open(PAYMENTS)
    return methods


async def paid_and_delivered(
    service: PayingService, methods: list[PaymentMethod], dice: random.Random
) -> dict[str, Counter[str]]:
    """Let all customers pay, deliver the notifications in any order; returns what they came to."""
    arrivals: list[Arrival] = []
    for method in methods:
        for paid in method.payments:
            await method.pay(paid)
            arrivals += [Arrival(method, paid, True)] * method.copies(paid)
            arrivals.append(Arrival(method, paid, False))
    dice.shuffle(arrivals)
    outcomes: dict[str, Counter[str]] = {type(one).__name__: Counter() for one in methods}
    left = len(arrivals)
    for one in arrivals:
        send = service.receives if one.authentic else service.receives_forged
        status = await send(one.message())
        if status == _NOT_NOW and left:
            # A busy gateway does not acknowledge, and providers send the message again.
            left -= 1
            arrivals.append(one)
            continue
        expected = (200,) if one.authentic else one.method.refusals
        assert status in expected, (one.method.name, one.authentic, status)
        outcomes[type(one.method).__name__]["accepted" if one.authentic else "refused"] += 1
    for method in methods:
        await method.end()
    await service.exchanges()
    return outcomes


async def cash_by_account(service: PayingService) -> dict[str, tuple[int, int]]:
    """Minor units received and the number of payments, for each account."""
    rows = await sql(
        service.database,
        "select account_id::text, sum(minor), count(*) from ledger_posting where book = 'cash' "
        "group by 1",
    )
    return {account: (int(minor), count) for account, minor, count in rows}


def expected_cash(methods: list[PaymentMethod]) -> dict[str, tuple[int, int]]:
    """What `cash_by_account` shall be."""
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for paid in (paid for method in methods for paid in method.payments if paid.credited):
        sums[str(paid.firm.account.id)] += paid.credited
        counts[str(paid.firm.account.id)] += 1
    return {account: (minor, counts[account]) for account, minor in sums.items()}


async def named(service: PayingService) -> set[str]:
    """The subjects of all differences that reconciliation finds, without their kinds."""
    found = {one.subject.split(" ")[0] for one in await service.differences()}
    # A discrepancy of an order is found in our records, by its plain id, and at the provider.
    return {
        f"pord_{one.replace('-', '')}" if await is_order(service, one) else one for one in found
    }


async def is_order(service: PayingService, subject: str) -> bool:
    query = f"select 1 from payment_order where id::text = '{subject}'"
    return bool(await sql(service.database, query))


async def test_each_payment_of_six_methods_is_credited_once_and_all_differences_are_found(
    paying_service: PayingService,
) -> None:
    service = paying_service
    began, dice = time.perf_counter(), random.Random(SEED)
    methods = await opened(service, dice)
    outcomes = await paid_and_delivered(service, methods, dice)
    everything = [paid for method in methods for paid in method.payments]
    table = Verdicts(f"Six payment methods, {NOTIFICATIONS} notifications each")
    planted = {paid.subject for paid in everything if paid.is_found}
    compare(
        table,
        "differences missed or false, before lost payments are found",
        await named(service),
        planted,
    )
    # Lost notifications: the providers are asked, the bank's next statement has the lines.
    service.story.clock.pass_(minutes=70)
    for method in methods:
        await method.confirm_lost()
    await service.works()
    await service.exchanges()
    cash = await cash_by_account(service)
    for method in methods:
        check_method(table, method, outcomes[type(method).__name__], cash)
    compare(table, "accounts with other cash than paid", cash, expected_cash(methods))
    total = await sql(service.database, "select sum(minor) from ledger_posting")
    table.equal("sum of the ledger, minor units", int(total[0][0]), 0)
    remaining = {paid.subject for paid in everything if paid.remains}
    compare(table, "differences missed or false, at the end", await named(service), remaining)
    table.report([f"Seed {SEED}, {time.perf_counter() - began:.0f} s."])
    assert not table.failed


def check_method(
    table: Verdicts,
    method: PaymentMethod,
    outcomes: Counter[str],
    cash: dict[str, tuple[int, int]],
) -> None:
    """Add the checks of one method: what was accepted, refused and credited."""
    name = type(method).__name__
    fates = Counter(paid.fate for paid in method.payments)
    heard = 3 * (len(method.payments) - fates[Fate.LOST])
    table.equal(f"{name}: authentic notifications accepted", outcomes["accepted"], heard)
    table.equal(f"{name}: forgeries refused", outcomes["refused"], len(method.payments))
    accounts = {str(paid.firm.account.id) for paid in method.payments}
    credited = sum(count for account, (_, count) in cash.items() if account in accounts)
    due = sum(1 for paid in method.payments if paid.credited)
    table.equal(f"{name}: payments credited, {3 * fates[Fate.LOST]} lost", credited, due)


def compare(table: Verdicts, name: str, found: Collection[str], expected: Collection[str]) -> None:
    """Add a check of two sets, or of two tables by account, which shows what is in one only."""
    pairs = [set(one.items()) if isinstance(one, dict) else set(one) for one in (found, expected)]
    table.equal(f"{name} (expected: {len(expected)})", sorted(pairs[0] ^ pairs[1], key=str)[:5], [])
