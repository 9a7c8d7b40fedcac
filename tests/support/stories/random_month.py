"""A random month of random accounts, reproducible by seed: plans of all price kinds, calls on
time and late, changes of plan, taxes and currencies.

It uses the actions of tests/support/stories/story.py.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import METERS
from billing.rating.terms import Alignment, Allowance, Discount, Interval, ModelPrice, PlanTerms
from billing.subscriptions.plans import publish_plan
from billing.subscriptions.subscriptions import NotSubscribed
from billing.tables import PlanVersion
from tests.support.stories.story import Firm, Story

MODELS = ("llm", "vib", "vision")
# What a unit costs in nano-units, so that a month comes to some hundreds in each currency.
SCALES = {"CNY": 10**5, "USD": 10**4, "JPY": 10**7}
KINDS = ("per_unit", "package", "graduated", "volume")
FIRST, LAST = datetime(2026, 9, 20, tzinfo=UTC), datetime(2026, 10, 31, 12, tzinfo=UTC)
_Event = Callable[[], Awaitable[object]]


class Dice:
    """Draws plans and days from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def price(self, kind: str, scale: int) -> Price:
        """A price with odd amounts, so that lines are rounded."""
        unit = self.random.randint(0, scale)
        match kind:
            case "per_unit":
                return PerUnit(unit)
            case "package":
                return Package(self.random.randint(2, 900), unit * 300)
        ends = sorted(self.random.sample(range(1, 3_000), self.random.randint(1, 3)))
        units = [self.random.randint(0, scale) for _ in (*ends, None)]
        if kind == "volume":
            units.sort(reverse=True)
            return Volume(tuple(map(Tier, (*ends, None), units)))
        flats = [self.random.choice((0, scale * 77)) for _ in units]
        return Graduated(tuple(map(Tier, (*ends, None), units, flats)))

    def terms(self, name: str, currency: str, kind: str) -> PlanTerms:
        """Terms with a price of the kind, and about half of the optional terms."""
        some, scale = self.random.random, SCALES[currency]
        meters = self.random.sample(METERS, self.random.randint(2, 4))
        places = [(model, meter) for model in MODELS for meter in meters]
        kinds = [kind, *self.random.choices(KINDS, k=len(places))]
        shared = [("*", meter) for meter in meters]
        allowed = self.random.sample([*places, *shared], self.random.randint(0, 4))
        off = self.random.sample(["*", *MODELS], self.random.randint(0, 3))
        return PlanTerms(
            plan=name,
            names={"en": name, "zh": name},
            currency=currency,
            prices=tuple(
                ModelPrice(*place, self.price(kind, scale))
                for place, kind in zip(places, kinds, strict=False)
            ),
            allowances=tuple(Allowance(*place, self.random.randint(1, 900)) for place in allowed),
            discounts=tuple(Discount(model, self.random.randint(1, 400_000)) for model in off),
            fixed_fee=self.random.choice((0, 31_007, 99_900)),
            interval=self.random.choice((Interval.MONTH, Interval.MONTH, Interval.YEAR)),
            alignment=self.random.choice((Alignment.CALENDAR, Alignment.ANNIVERSARY)),
            minimum=self.random.choice((0, 0, 40_000)),
            tax_inclusive=some() < 0.4,
        )

    def moment(self) -> datetime:
        span = (LAST - FIRST).total_seconds()
        return FIRST + timedelta(seconds=self.random.randrange(int(span)))

    def units(self) -> dict[str, int]:
        inputs = self.random.randint(0, 900)
        return {
            "input_tokens": inputs,
            "cached_input_tokens": self.random.randint(0, inputs),
            "output_tokens": self.random.randint(0, 700),
            "rows": self.random.randint(0, 90),
            "images": self.random.randint(0, 90),
            "adaptation_seconds": self.random.randint(0, 900),
        }


async def live(story: Story, seed: int, firms: int) -> list[Firm]:
    """Run a number of accounts from 20 September to the end of October, and bill them."""
    dice = Dice(seed)
    _set(story, FIRST)
    events: list[tuple[datetime, _Event]] = []
    made: list[Firm] = []
    for number in range(firms):
        firm = await _firm(story, dice, number)
        made.append(firm)
        events += await _events(story, dice, firm, number)
    for month, day in ((10, 1), (10, 15), (11, 1)):
        events.append((datetime(2026, month, day, 2, tzinfo=UTC), story.jobs))
    for at, event in sorted(events, key=lambda pair: pair[0]):
        _set(story, at)
        await event()
    return made


def _set(story: Story, at: datetime) -> None:
    local = at.astimezone(story.clock.zone)
    story.clock.set(local.year, local.month, local.day, local.hour, local.minute, local.second)


async def _firm(story: Story, dice: Dice, number: int) -> Firm:
    currency = ("CNY", "USD", "JPY")[number % 3]
    firm = await story.firm(f"Firm {number}", currency)
    await firm.billed(
        time_zone=dice.random.choice(("Europe/Berlin", "Asia/Shanghai", "America/New_York")),
        tax_ppm=dice.random.choice((0, 60_000, 82_500)),
        tax_treatment=dice.random.choice(("standard", "standard", "reverse_charge", "exempt")),
    )
    return firm


async def _events(
    story: Story, dice: Dice, firm: Firm, number: int
) -> list[tuple[datetime, _Event]]:
    plans = [await _plan(story, dice, firm, f"plan_{number}_{at}") for at in range(3)]
    events: list[tuple[datetime, _Event]] = [(FIRST, lambda: firm.subscribe(plans[0]))]
    if number % 4:
        changes = [partial(firm.change, plan) for plan in plans[1:]]
        events += [(dice.moment(), partial(_if_subscribed, change)) for change in changes]
    if number % 5 == 0:
        cancel = partial(firm.cancel, at_end=number % 2 == 0)
        events.append((dice.moment(), partial(_if_subscribed, cancel)))
    return [*events, *(_call(dice, firm) for _ in range(30))]


def _call(dice: Dice, firm: Firm) -> tuple[datetime, _Event]:
    """Draw a call: its time and the event that writes it; some calls started days before."""
    at, model, units = dice.moment(), dice.random.choice(MODELS), dice.units()
    began = at - timedelta(days=12) if dice.random.random() < 0.15 else at
    return at, lambda: firm.use(model, max(began, FIRST), **units)


async def _plan(story: Story, dice: Dice, firm: Firm, name: str) -> PlanVersion:
    terms = dice.terms(name, firm.account.currency, dice.random.choice(KINDS))
    async with story.database.transaction() as session:
        return await publish_plan(session, story.clock, terms)


async def _if_subscribed(event: _Event) -> None:
    """Run the event; NotSubscribed is ignored, because the plan may be cancelled already."""
    with suppress(NotSubscribed):
        await event()
