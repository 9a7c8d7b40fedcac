"""Outcome terms: all that an outcome contract says, as one immutable value.

    terms = what is an effect, who attests it, how it is measured, what it costs, and the deadlines

Two kinds: *event outcomes* (a failure foreseen, a ticket solved) have a price each; *measured
effects* (scrap, downtime, energy a part) cost a share of the verified saving. Owns the value, its
rules, and its one canonical JSON form, whose SHA-256 is the version's id, so that both sides know
what they agreed to. Pure.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from billing.dates import day_of, zone_of
from billing.money import PPM, require_currency
from billing.outcomes.contracts.effect_definitions import (
    Design,
    Direction,
    Event,
    Gates,
    Measure,
    require_event,
    require_measure,
)
from billing.outcomes.contracts.field_rules import (
    OutcomeTermsInvalid,
    is_line,
    is_tag,
    is_text,
    require,
)
from billing.outcomes.contracts.supporting_calls import (
    Attribution,
    default_attribution,
    require_attribution,
)
from billing.rating.prices import Price
from billing.rating.quantities import METERS
from billing.rating.terms import ANY_MODEL, Allowance, price_from_json, price_json

# Effects are a part of the terms: who reads these needs no other import for them.
__all__ = (
    "MICRO",
    "AttesterKind",
    "Deadlines",
    "Design",
    "Direction",
    "Event",
    "Gates",
    "Measure",
    "OutcomeTerms",
    "OutcomeTermsInvalid",
    "Share",
    "read_outcome_terms",
)
_MOST_MINOR = 10**13
_MOST_DAYS = 730
_MOST_NAMES, _MOST_COVERED = 10, 50
MICRO = 1_000_000


class AttesterKind(StrEnum):
    """Who says that an effect is there, the most independent first."""

    NEUTRAL_SENSOR = "neutral_sensor"  # a meter that neither side controls
    CUSTOMER_SYSTEM = "customer_system"  # the customer's MES, ERP or CMMS
    SIGN_OFF = "sign_off"  # a person of the customer's
    OUR_MODEL = "our_model"  # a key that the operator registers for one of its models


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a saving, each whole unit of which is worth `unit_value` nano-units."""

    ppm: int
    unit_value: int


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Days: to dispute a settlement, to answer a dispute, and in which an effect can be reversed.

    With `silence_days` an outcome that nobody confirmed counts after so many days, in words that
    the contract must have (`silence_words`); None: silence is never billable.
    """

    dispute_days: int
    answer_days: int
    reversal_days: int
    silence_days: int | None = None
    silence_words: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeTerms:
    """One version of an outcome contract. Cap and floor are minor units of one month.

    `covered` are units of models that are used for the effect, and cost nothing beside it; what
    goes beyond costs as ever. `meter` says by what the effect is seen, and days are those of
    `time_zone`, the plant's. `tag` is what a covered call carries: X-Maas-Tags: contract=<tag>.
    With `lower_of_usage` a month costs no more than its covered units would have at list prices.
    `attribution` names the calls that may support a claim; None leaves it to the default.
    Raises OutcomeTermsInvalid, TimeZoneUnknown.
    """

    tag: str
    names: Mapping[str, str]
    currency: str
    effect: str
    meter: str
    kind: Event | Measure
    price: Price | Share
    attesters: tuple[AttesterKind, ...]
    deadlines: Deadlines
    starts_at: datetime
    ends_at: datetime | None
    covered: tuple[Allowance, ...] = ()
    lower_of_usage: bool = False
    cap: int | None = None
    floor: int = 0
    subject_tag: str = "machine"
    time_zone: str = "Asia/Shanghai"
    attribution: Attribution | None = None
    _version_id: UUID = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require(self.tag.isidentifier() and len(self.tag) <= 60, "contract", "is a short name")
        require({"en", "zh"} <= self.names.keys(), "names", "needs en and zh")
        short = all(is_line(name, 200) for said in self.names.items() for name in said)
        require(short and len(self.names) <= _MOST_NAMES, "names", "are few and short")
        require(is_text(self.effect, 500), "effect", "says what the effect is")
        require(is_line(self.meter, 200), "meter", "says by what the effect is seen")
        require(bool(self.attesters), "attesters", "says who attests")
        require(len(set(self.attesters)) == len(self.attesters), "attesters", "names one twice")
        require(is_tag(self.subject_tag), "subject", "is a tag's name")
        try:
            require_currency(self.currency)
        except ValueError as error:
            raise OutcomeTermsInvalid(f"currency: {error}.", param="currency") from None
        self._require_money()
        self._require_times()
        if isinstance(self.kind, Event):
            require_event(self.kind)
        else:
            require_measure(self.kind)
            _require_period(self, self.kind)
        _require_covered(self.covered)
        if self.attribution is not None:
            of_event = isinstance(self.kind, Event)
            require(of_event, "attribution", "goes with an event: a measured effect has no claims")
            require_attribution(self.attribution)
        comparable = bool(self.covered) or not self.lower_of_usage
        require(comparable, "lower_of_usage", "needs units that are covered")
        digest = hashlib.sha256(self.text()).digest()
        object.__setattr__(self, "_version_id", UUID(bytes=digest[:16]))

    def _require_money(self) -> None:
        require(0 <= self.floor <= _MOST_MINOR, "floor", "is negative or absurd")
        of_price = self.cap is None or self.floor <= self.cap <= _MOST_MINOR
        require(of_price, "cap", "is below the floor or absurd")
        if isinstance(self.price, Share):
            require(0 < self.price.ppm <= PPM, "share.percent", "is more than 0 and at most 100")
            require(0 < self.price.unit_value <= 10**18, "share.unit_value", "is absurd")
        of_saving = isinstance(self.price, Share)
        require(of_saving == isinstance(self.kind, Measure), "price", "is not of this kind")

    def _require_times(self) -> None:
        zone_of(self.time_zone)
        require(self.starts_at.tzinfo is not None, "starts_at", "has a time zone")
        ends = self.ends_at
        require(ends is None or ends.tzinfo is not None, "ends_at", "has a time zone")
        require(ends is None or ends > self.starts_at, "ends_at", "is after the start")
        _require_deadlines(self.deadlines)

    @property
    def supporting(self) -> Attribution:
        """The models and operations whose calls may support a claim."""
        return self.attribution or default_attribution(self.covered)

    def text(self) -> bytes:
        """The canonical JSON: sorted keys, no spaces, defaults spelled out."""
        return msgspec.json.encode(_as_json(self), order="sorted")

    def version_id(self) -> UUID:
        """The first 16 bytes of the text's SHA-256; the same terms have the same id everywhere."""
        return self._version_id


@lru_cache(maxsize=256)
def read_outcome_terms(text: bytes) -> OutcomeTerms:
    """The reverse of `OutcomeTerms.text`; the same text is read once, as terms never change."""
    said = msgspec.json.decode(text)
    kind = said["kind"]
    return OutcomeTerms(
        **{
            **said,
            "names": MappingProxyType(said["names"]),
            "kind": msgspec.convert(kind, Measure if "design" in kind else Event),
            "price": _price(said["price"]),
            "attesters": tuple(AttesterKind(one) for one in said["attesters"]),
            "deadlines": Deadlines(**said["deadlines"]),
            "starts_at": datetime.fromisoformat(said["starts_at"]),
            "ends_at": said["ends_at"] and datetime.fromisoformat(said["ends_at"]),
            "covered": tuple(Allowance(**one) for one in said["covered"]),
            "attribution": msgspec.convert(said.get("attribution"), Attribution | None),
        }
    )


def _price(said: dict[str, Any]) -> Price | Share:
    if said["kind"] == "share":
        return Share(said["ppm"], said["unit_value"])
    return price_from_json(said)


def _as_json(terms: OutcomeTerms) -> dict[str, Any]:
    names = [name for name in OutcomeTerms.__slots__ if not name.startswith("_")]
    if terms.attribution is None:
        # Contracts that were agreed before the field existed keep their text and its hash.
        names.remove("attribution")
    price = terms.price
    return {
        **{name: msgspec.to_builtins(getattr(terms, name)) for name in names if name != "names"},
        "names": dict(terms.names),
        # The same instant is the same text, in whichever zone it was written.
        "starts_at": terms.starts_at.astimezone(UTC).isoformat(),
        "ends_at": terms.ends_at and terms.ends_at.astimezone(UTC).isoformat(),
        "price": {"kind": "share", "ppm": price.ppm, "unit_value": price.unit_value}
        if isinstance(price, Share)
        else price_json(price),
    }


def settlements_between(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> int:
    """In how many months of the plant any of this time lies, each of which is settled once."""
    first, last = day_of(starts_at, zone), day_of(ends_at - timedelta(microseconds=1), zone)
    return (last.year - first.year) * 12 + last.month - first.month + 1


def _require_period(terms: OutcomeTerms, measure: Measure) -> None:
    """A measured effect is sure for all its settlements together, so how many is known before."""
    zone, ends_at = zone_of(terms.time_zone), terms.ends_at
    if ends_at is None:
        raise OutcomeTermsInvalid(
            "ends_at: a measured effect has an end, so that its settlements can be counted.",
            param="ends_at",
        )
    settlements = settlements_between(terms.starts_at, ends_at, zone)
    counted = measure.looks >= settlements
    require(counted, "measure.looks", f"is at least {settlements}, a settlement a month")
    before = measure.before
    over = before is None or before.until <= day_of(terms.starts_at, zone)
    require(over, "measure.before", "is over when the contract starts")


def _require_deadlines(deadlines: Deadlines) -> None:
    for name in ("dispute_days", "answer_days", "reversal_days"):
        days = getattr(deadlines, name)
        least = 0 if name == "reversal_days" else 1
        held = least <= days <= _MOST_DAYS
        require(held, f"deadlines.{name}", f"is {least} to {_MOST_DAYS}")
    silence, words = deadlines.silence_days, deadlines.silence_words
    held = silence is None or 0 < silence <= _MOST_DAYS
    require(held, "deadlines.silence_days", f"is 1 to {_MOST_DAYS}")
    said = words == "" if silence is None else is_text(words, 500) and len(words.strip()) >= 20
    require(said, "deadlines.silence_words", "says in words that silence counts, and only then")


def _require_covered(covered: tuple[Allowance, ...]) -> None:
    require(len(covered) <= _MOST_COVERED, "covered", f"is up to {_MOST_COVERED} meters")
    for at, one in enumerate(covered):
        require(is_line(one.model, 100), f"covered[{at}].model", "is one model")
        require(one.model != ANY_MODEL, f"covered[{at}].model", "is one model, not all")
        require(one.meter in METERS, f"covered[{at}].meter", f"is one of {', '.join(METERS)}")
        require(0 < one.quantity <= 10**15, f"covered[{at}].quantity", "is none or absurd")
    units = [(one.model, one.meter) for one in covered]
    require(len(set(units)) == len(units), "covered", "names a model's meter twice")
