"""Six payment methods under duplicated, reordered, forged and lost notifications.

Card and Alipay through Stripe, WeChat Pay, Alipay, bank transfer, Stripe Checkout: each payment is
credited once, the ledger sums to zero, and reconciliation finds every planted difference. `make
simulations` has 1,000 notifications for each method, `make test` 12.
"""

import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from tests.support.billing.making import sql
from tests.support.nightly import at_length
from tests.support.paying.messages import Message
from tests.support.paying.methods import SIX_METHODS, Fate, Paid, PaymentMethod
from tests.support.paying.service import PayingService

NOTIFICATIONS, SEED = int(os.environ.get("MAAS_NOTIFICATIONS", at_length(1000, 12))), 32
# Three copies and a forgery of each payment, as long as they are not lost.
PAYMENTS = NOTIFICATIONS // 4
_NOT_NOW = 503
_Statuses = dict[str, Counter[str]]


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
        status = await service.receives(one.message())
        if status == _NOT_NOW and left:
            # A busy gateway does not acknowledge, and providers send the message again.
            left -= 1
            arrivals.append(one)
            continue
        expected = 200 if one.authentic else one.method.refusal
        assert status == expected, (one.method.name, one.authentic, status)
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
    assert await named(service) == {paid.subject for paid in everything if paid.is_found}
    # Lost notifications: the providers are asked, the bank's next statement has the lines.
    service.story.clock.pass_(minutes=70)
    for method in methods:
        await method.confirm_lost()
    await service.works()
    await service.exchanges()
    assert await cash_by_account(service) == expected_cash(methods)
    total = await sql(service.database, "select sum(minor) from ledger_posting")
    assert total[0][0] == 0
    assert await named(service) == {paid.subject for paid in everything if paid.remains}
    report(methods, outcomes, time.perf_counter() - began)


def report(methods: list[PaymentMethod], outcomes: _Statuses, seconds: float) -> None:
    """Print the figures for `make simulations`."""
    lines = [f"{NOTIFICATIONS} notifications for each method, seed {SEED}, {seconds:.0f} s"]
    for method in methods:
        fates = Counter(paid.fate for paid in method.payments)
        credited = sum(1 for paid in method.payments if paid.credited)
        found = sum(1 for paid in method.payments if paid.is_found)
        lines.append(
            f"  {type(method).__name__}: {len(method.payments)} payments, "
            f"{dict(outcomes[type(method).__name__])}, {3 * fates[Fate.LOST]} lost, "
            f"{credited} credited once, {found} planted differences found"
        )
    sys.stdout.write("\n".join([*lines, ""]))
