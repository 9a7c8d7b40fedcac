"""Firms: what an example firm is and does, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.call.values import Operation
from gateway.identity.roles import Role
from models.catalog import Task

# How busy the hours of a day are, and the days of a week, Monday first.
TWO_SHIFTS = (0, 0, 0, 0, 0, 0, 2, 6, 9, 10, 9, 5, 4, 8, 9, 9, 8, 6, 4, 5, 5, 4, 2, 1)
AROUND_THE_CLOCK = (5, 5, 4, 4, 4, 5, 6, 8, 9, 9, 9, 8, 7, 8, 9, 9, 8, 7, 7, 6, 6, 6, 5, 5)
EVEN_HOURS = (1,) * 24
OFFICE = (0, 0, 0, 0, 0, 0, 0, 1, 6, 9, 9, 5, 2, 6, 9, 8, 6, 3, 1, 0, 0, 0, 0, 0)
SIX_DAYS = (100, 104, 106, 102, 98, 62, 6)
FIVE_DAYS = (100, 108, 104, 100, 84, 8, 3)
ALL_DAYS = (100, 102, 103, 100, 99, 86, 80)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person of a firm; one who has only been invited has not signed in yet."""

    name: str
    email: str
    role: Role
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its name. `near_cap`: at the end its month's cap is nearly reached."""

    name: str
    near_cap: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of call that a firm makes with a key, so often on a usual day.

    The model is the catalog's first of the task, or the one with this source of weights; a profile
    that has none does without. `units` are the least and the most of each meter in a call, `ms` of
    a call's time. Of each tag a call has one of the values, in which `{week}` is the year's week.
    It is done on the story's first `days` days, or on all.
    """

    key: str
    operation: Operation
    task: Task
    a_day: int
    units: Mapping[str, tuple[int, int]]
    ms: tuple[int, int]
    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    streamed: bool = False
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Subscribes:
    """Goes onto a plan; onto another one where it is on one."""

    plan: str


@dataclass(frozen=True, slots=True)
class TopsUp:
    """Pays in advance, in minor units."""

    minor: int
    reference: str


@dataclass(frozen=True, slots=True)
class RevokesKey:
    """Stops a key."""

    key: str


@dataclass(frozen=True, slots=True)
class RotatesKey:
    """Makes a key's successor, of the same name, which calls from then on."""

    key: str


@dataclass(frozen=True, slots=True)
class IsCredited:
    """The operator credits a part of the newest invoice that was paid."""

    minor: int
    reason: str


Happening = Subscribes | TopsUp | RevokesKey | RotatesKey | IsCredited


@dataclass(frozen=True, slots=True)
class Effect:
    """What a firm pays for by its effect: power for pumping water, kWh a day from m3.

    `saved` is the part that the model saves from the contract's start on, which nobody knows but
    the dice. `objection` is what the firm says against its second month, and `answer` ours.
    """

    tag: str
    sensor: str
    base_kwh: float
    kwh_per_m3: float
    m3: tuple[int, int]
    saved: float
    covered: Mapping[tuple[Task, str], int]
    objection: str
    answer: str


@dataclass(frozen=True, slots=True)
class Firm:
    """An example firm. `happens` is by days after the story's first day. It pays an invoice so many
    `paid_after` days after it fell due; with `overdue` its last invoice but one is so many days
    late now. `credit` is what it may owe, in its currency."""

    name: str
    billing_name: str
    address: str
    tax_number: str
    billing_email: str
    credit: int
    people: tuple[Somebody, ...]
    keys: tuple[Key, ...]
    works: tuple[Work, ...]
    happens: Mapping[int, tuple[Happening, ...]]
    paid_after: int
    net_days: int = 30
    overdue: int | None = None
    effect: Effect | None = None
