"""An hour of sign-ups, nine tenths by abusers who want more than one grant, in five ways."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from disposable_email_domains import blocklist

from gateway.identity.client_origin import ClientOrigin
from gateway.signups.form import SignupForm
from tests.support.gateway.signing_up import form

GROUP = 10  # sign-ups of one abuser
OFFICE = 5  # companies in one building, with one address


class Way(StrEnum):
    """How an abuser tries to get several grants; the rest of each sign-up is always new."""

    HONEST = "honest"
    CREDIT_CODE = "credit_code"
    MAILBOX = "mailbox"
    DISPOSABLE = "disposable"
    ORIGIN = "device_or_network"
    PAYER = "payer"


WAYS = tuple(way for way in Way if way is not Way.HONEST)


@dataclass(frozen=True)
class Attempt:
    """One sign-up. `who` is the person behind it, one for all of a group; `payer` is who pays."""

    way: Way
    who: str
    form: SignupForm
    origin: ClientOrigin
    device: str
    payer: str


def attempts(number: int, seed: int = 1) -> list[Attempt]:
    """An hour's sign-ups in random order."""
    chance = random.Random(seed)
    made = list(_attempts(number, chance))
    chance.shuffle(made)
    return made


def _attempts(number: int, chance: random.Random) -> Iterator[Attempt]:
    domains = sorted(blocklist)
    honest = number // 10
    for index in range(number):
        if index < honest:
            # A fifth of the honest ones sit in shared offices.
            office = index // OFFICE if index < honest // 5 else 10**6 + index
            yield _attempt(Way.HONEST, f"honest {index}", index, origin=office)
            continue
        abuser = index // GROUP
        way, who = WAYS[abuser % len(WAYS)], f"abuser {abuser}"
        match way:
            case Way.CREDIT_CODE:
                same = form(abuser * GROUP).credit_code
                yield _attempt(way, who, index, credit_code=same)
            case Way.MAILBOX:
                yield _attempt(way, who, index, email=_alias(abuser, index % GROUP))
            case Way.DISPOSABLE:
                domain = chance.choice(domains)
                yield _attempt(way, who, index, email=f"x{index}@{domain}")
            case Way.ORIGIN:
                shared = abuser if abuser % 2 else None
                device = None if abuser % 2 else f"{abuser:032x}"
                origin = None if shared is None else 5 * 10**6 + shared
                yield _attempt(way, who, index, origin=origin, device=device)
            case _:
                yield _attempt(way, who, index, payer=who)


def _attempt(
    way: Way,
    who: str,
    index: int,
    *,
    origin: int | None = None,
    device: str | None = None,
    payer: str | None = None,
    **values: str,
) -> Attempt:
    place = 2 * 10**7 + index if origin is None else origin
    address = f"2001:db8:{place >> 16:x}:{place & 0xFFFF:x}::{index % 7 + 1:x}"
    return Attempt(
        way,
        who,
        form(index, **values),
        ClientOrigin(address, "Firefox"),
        device or f"{10**30 + index:032x}",
        payer or f"payer {index}",
    )


def _alias(abuser: int, number: int) -> str:
    """One of ten spellings of an abuser's mailbox, at Gmail or NetEase."""
    name = f"buyer{abuser}"
    if abuser % 2:
        return f"{name}{'+-'[number % 2]}{number}@163.com"
    dotted = ".".join((name[:number], name[number:])).strip(".")
    return f"{dotted}+{number}@{('gmail.com', 'GoogleMail.com')[number % 2]}"
