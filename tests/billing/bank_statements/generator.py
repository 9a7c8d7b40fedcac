"""A seeded bank statement with the mistakes of payers, and what each line really pays."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from billing.bank_statements.entries import BankEntry
from billing.bank_statements.matching import OpenInvoice, normalize_name
from infra import ids

WIDE = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-",
    "ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ０１２３４５６７８９－",
)
FEES = (310_00, 620_00, 1_200_00)  # of plans that many customers are on


@dataclass(frozen=True)
class Line:
    """An entry with the invoices that it pays, by amount; `referenced` if it names one rightly."""

    entry: BankEntry
    paid: Mapping[UUID, int]
    referenced: bool
    noise: str


def customer_invoices(pick: random.Random, customers: int) -> list[OpenInvoice]:
    """1 to 8 open invoices for each customer, fees of common plans or usage of any amount."""
    invoices: list[OpenInvoice] = []
    number = 1000
    for index in range(customers):
        name = frozenset({normalize_name(f"宁波第{index}机械有限公司")})
        account_id = ids.new_id()
        amounts: set[int] = set()
        while len(amounts) < pick.randint(1, 8):
            amounts.add(pick.choice(FEES) if pick.random() < 0.3 else pick.randint(50, 9_000_000))
        for owed in sorted(amounts, key=lambda _: pick.random()):
            number += 1
            one = OpenInvoice(ids.new_id(), account_id, "MAAS", number, "CNY", owed, name)
            invoices.append(one)
    return invoices


def statement(pick: random.Random, invoices: list[OpenInvoice], count: int) -> list[Line]:
    """Transfers for the first invoices, in random order, of which a tenth has some noise."""
    lines: list[Line] = []
    left = list(invoices)
    pick.shuffle(left)
    while len(lines) < count:
        one = left.pop()
        kind = pick.choices(
            ["clean", "typo", "partial", "over", "none", "other_payer", "double", "pair"],
            [90, 1.0, 2, 1, 2, 1, 1, 2],
        )[0]
        lines += make_lines(pick, kind, one, left, len(lines))
    return lines[:count]


def make_lines(
    pick: random.Random, kind: str, one: OpenInvoice, left: list[OpenInvoice], at: int
) -> list[Line]:
    payer = payer_of(one)
    reference, paid = typed(pick, f"MAAS-{one.number:06d}"), {one.id: one.owed}
    entry = BankEntry(
        "3901",
        f"R{at}",
        date(2026, 11, 1) + timedelta(days=at % 28),
        one.owed,
        "CNY",
        payer,
        "6222",
    )
    text = pick.choice(["货款 {}", "{}", "支付账单{}款", "{} 2026-11 服务费", "invoice {} thanks"])
    entry = replace(entry, text=text.format(reference))
    if kind == "clean":
        return [Line(entry, paid, True, kind)]
    if kind == "typo":
        wrong = f"MAAS-{(one.number + pick.choice([-2, -1, 1, 2, 10, 100])):06d}"
        return [Line(replace(entry, text=text.format(wrong)), paid, False, kind)]
    if kind in ("partial", "over"):
        minor = one.owed // 2 + 1 if kind == "partial" else one.owed + 100
        return [Line(replace(entry, minor=minor), {one.id: minor}, True, kind)]
    if kind == "none":
        return [Line(replace(entry, text="货款"), paid, False, kind)]
    if kind == "other_payer":
        return [Line(replace(entry, payer_name="集团财务公司"), paid, True, kind)]
    if kind == "double":
        second = replace(entry, reference=f"R{at}-2")
        return [Line(entry, paid, True, kind), Line(second, {}, False, kind)]
    mate = next((each for each in left if each.account_id == one.account_id), None)
    if mate is None:
        return [Line(entry, paid, True, "clean")]
    left.remove(mate)
    both = f"{reference} {typed(pick, f'MAAS-{mate.number:06d}')}"
    whole = replace(entry, minor=one.owed + mate.owed, text=both)
    return [Line(whole, {**paid, mate.id: mate.owed}, True, kind)]


def payer_of(one: OpenInvoice) -> str:
    """The customer's name as the bank prints it."""
    (name,) = one.names
    return f" {name.removesuffix('有限公司')}（有限公司）"


def typed(pick: random.Random, number: str) -> str:
    """An invoice number as somebody types it."""
    code, _, digits = number.partition("-")
    return pick.choice(
        [
            number,
            number.lower(),
            f"{code} {digits}",
            f"{code}{digits}",
            f"{code}－{digits}",
            number.translate(WIDE),
            f"{code}-{digits[:3]} {digits[3:]}",
            f"{code}_{digits}",
            f"{code}-{int(digits)}",
            f"{code}-{digits.replace('0', 'O')}",
            f"{code}:{digits}",
        ]
    )
