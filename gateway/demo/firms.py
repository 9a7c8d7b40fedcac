"""Types that describe an example firm, its calls and its actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.fapiao.title_fields import TitleFields
from gateway.call.values import Operation
from gateway.identity.roles import Role
from models.catalog import Task

# Relative load by hour of the day, and in percent by day of the week (Monday first).
TWO_SHIFTS = (0, 0, 0, 0, 0, 0, 2, 6, 9, 10, 9, 5, 4, 8, 9, 9, 8, 6, 4, 5, 5, 4, 2, 1)
AROUND_THE_CLOCK = (5, 5, 4, 4, 4, 5, 6, 8, 9, 9, 9, 8, 7, 8, 9, 9, 8, 7, 7, 6, 6, 6, 5, 5)
EVEN_HOURS = (1,) * 24
OFFICE = (0, 0, 0, 0, 0, 0, 0, 1, 6, 9, 9, 5, 2, 6, 9, 8, 6, 3, 1, 0, 0, 0, 0, 0)
SIX_DAYS = (100, 104, 106, 102, 98, 62, 6)
FIVE_DAYS = (100, 108, 104, 100, 84, 8, 3)
ALL_DAYS = (100, 102, 103, 100, 99, 86, 80)


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user of a firm; without `has_joined`, one who is invited but has not accepted yet."""

    name: str
    email: str
    role: Role
    has_joined: bool = True


@dataclass(frozen=True, slots=True)
class DemoKey:
    """An API key by name; with `is_near_budget`, its monthly budget is nearly used at the end."""

    name: str
    is_near_budget: bool = False


@dataclass(frozen=True, slots=True)
class DemoProject:
    """A project with its keys, by name, and its members: role by e-mail address."""

    name: str
    keys: tuple[str, ...]
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CallType:
    """A type of call that a firm makes with one key.

    The model is the catalog's first of the task (with these weights, if `weights_source` is set);
    without such a model the call type is skipped. `units_per_call` (by meter) and `duration_ms` are
    ranges. `hour_weights` and `weekday_percent` distribute the calls; each call gets one of the
    values of each tag, in which `{week}` is the ISO week. Calls are made on the first `active_days`
    days (None: all).
    """

    key: str
    operation: Operation
    task: Task
    calls_per_day: int
    units_per_call: Mapping[str, tuple[int, int]]
    duration_ms: tuple[int, int]
    hour_weights: tuple[int, ...]
    weekday_percent: tuple[int, ...]
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights_source: str = ""
    streamed: bool = False
    active_days: int | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to a plan, or change to it."""

    plan: str


@dataclass(frozen=True, slots=True)
class TopUp:
    """Top up the wallet by an amount in minor units."""

    amount_minor: int
    reference: str


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Revoke an API key."""

    key: str


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Replace an API key by a new one of the same name."""

    key: str


@dataclass(frozen=True, slots=True)
class IssueCreditNote:
    """Issue a credit note (minor units) for the newest paid invoice; done by the operator."""

    amount_minor: int
    reason: str


DemoAction = Subscribe | TopUp | RevokeKey | RotateKey | IssueCreditNote


@dataclass(frozen=True, slots=True)
class OutcomeExample:
    """An outcome contract: pay for electricity saved in pumping, measured as kWh per day by m3.

    `savings_fraction` is what the simulated meter saves from the contract's start on. `objection`
    is the customer's dispute of the second month, `answer` the operator's.
    """

    tag: str
    sensor: str
    base_kwh: float
    kwh_per_m3: float
    daily_m3: tuple[int, int]
    savings_fraction: float
    allowances: Mapping[tuple[Task, str], int]
    objection: str
    answer: str


@dataclass(frozen=True, slots=True)
class Firm:
    """An example firm. Invoices are paid `paid_days_after_due` days after they fall due.

    `actions_by_day` is keyed by the number of days since the demo's first day. With `overdue_days`,
    the last invoice but one is overdue by that many days now. `credit_limit` is in major currency
    units. With a `fapiao_title`, fapiao are requested for paid invoices. With `has_plant` the firm
    has a plant model with readings.
    """

    name: str
    billing_name: str
    address: str
    tax_number: str
    billing_email: str
    credit_limit: int
    users: tuple[DemoUser, ...]
    keys: tuple[DemoKey, ...]
    call_types: tuple[CallType, ...]
    actions_by_day: Mapping[int, tuple[DemoAction, ...]]
    paid_days_after_due: int
    net_days: int = 30
    overdue_days: int | None = None
    outcome_contract: OutcomeExample | None = None
    projects: tuple[DemoProject, ...] = ()
    fapiao_title: TitleFields | None = None
    has_plant: bool = False
