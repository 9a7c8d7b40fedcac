"""The terms of an outcome contract as one immutable value with a canonical JSON form.

    terms = definition of the effect, attesters, measurement, price, deadlines

Two kinds: *event outcomes* (a failure predicted, a ticket solved) have a unit price; *measured
effects* (scrap, downtime, energy per part) cost a share of the verified savings. The SHA-256 of the
canonical JSON identifies the version that both parties agree to. The field names are its keys: they
must not change.
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

from billing.dates import local_day, parse_time_zone
from billing.money import PPM, require_currency
from billing.outcomes.contracts.effect_definitions import (
    BaselineGateTerms,
    EventEffect,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
    validate_event,
    validate_measured_effect,
)
from billing.outcomes.contracts.field_rules import (
    OutcomeTermsInvalid,
    is_line,
    is_tag,
    is_text,
    require,
)
from billing.outcomes.contracts.prediction_rules import PredictionRules, validate_prediction_rules
from billing.outcomes.contracts.supporting_calls import (
    AttributionRules,
    default_attribution,
    validate_attribution,
)
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.registry import price_from_json
from billing.rating.quantities import METERS
from billing.rating.terms import ANY_MODEL, Allowance

# Effect definitions are part of the terms, so they are re-exported here.
__all__ = (
    "MICRO",
    "AttesterKind",
    "BaselineGateTerms",
    "ContractDeadlines",
    "EventEffect",
    "ImprovementDirection",
    "MeasuredEffect",
    "MeasurementDesign",
    "OutcomeTerms",
    "OutcomeTermsInvalid",
    "SavingsShare",
    "parse_outcome_terms",
)
_MAX_MINOR = 10**13
_MAX_DAYS = 730
_MAX_LOCALES, _MAX_COVERED = 10, 50
MICRO = 1_000_000


class AttesterKind(StrEnum):
    """The kinds of attesters that can confirm an effect, most independent first."""

    NEUTRAL_SENSOR = "neutral_sensor"  # a meter that neither party controls
    CUSTOMER_SYSTEM = "customer_system"  # the customer's MES, ERP or CMMS
    SIGN_OFF = "sign_off"  # a person at the customer
    OUR_MODEL = "our_model"  # a key that the operator registers for one of its models


@dataclass(frozen=True, slots=True)
class SavingsShare:
    """A share of the savings in ppm; a unit saved is worth `unit_value` nano-units of currency."""

    ppm: int
    unit_value: int


@dataclass(frozen=True, slots=True)
class ContractDeadlines:
    """Deadlines in days: to dispute a settlement, to answer a dispute, to reverse an outcome.

    With `silence_days` an unconfirmed outcome counts after so many days, and the contract must say
    so in `silence_words`; with None silence is never billable.
    """

    dispute_days: int
    answer_days: int
    reversal_days: int
    silence_days: int | None = None
    silence_words: str = ""


@dataclass(frozen=True, slots=True)
class OutcomeTerms:
    """The terms of one version of an outcome contract; cap and floor are minor units per month.

    `covered` are model units that are free when used for the effect; further units cost the regular
    price. `meter` names the instrument that shows the effect; days are in `time_zone`, the plant's.
    Covered calls carry `tag`: X-Maas-Tags: contract=<tag>. With `lower_of_usage` a month costs at
    most the list price of its covered units. `attribution` names the calls that may support a
    claim; None means the default. With `predictions`, a claim must cite a record of the prediction
    ledger, and a period is paid only if its records show skill. Raises OutcomeTermsInvalid,
    TimeZoneUnknown.
    """

    tag: str
    names: Mapping[str, str]
    currency: str
    effect: str
    meter: str
    kind: EventEffect | MeasuredEffect
    price: Price | SavingsShare
    attesters: tuple[AttesterKind, ...]
    deadlines: ContractDeadlines
    starts_at: datetime
    ends_at: datetime | None
    covered: tuple[Allowance, ...] = ()
    lower_of_usage: bool = False
    cap: int | None = None
    floor: int = 0
    subject_tag: str = "machine"
    time_zone: str = "Asia/Shanghai"
    attribution: AttributionRules | None = None
    predictions: PredictionRules | None = None
    _version_id: UUID = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require(
            self.tag.isidentifier() and len(self.tag) <= 60,
            "contract",
            "must be an identifier (letters, digits, `_`) of at most 60 characters",
        )
        require({"en", "zh"} <= self.names.keys(), "names", "must have en and zh")
        short = all(is_line(name, 200) for pair in self.names.items() for name in pair)
        require(
            short and len(self.names) <= _MAX_LOCALES,
            "names",
            "must have at most 200 characters each, in a limited number of languages",
        )
        require(
            is_text(self.effect, 500), "effect", "must describe the effect in 1 to 500 characters"
        )
        require(
            is_line(self.meter, 200),
            "meter",
            "must name the meter or record that shows the effect, in at most 200 characters",
        )
        require(bool(self.attesters), "attesters", "must name at least one kind of attester")
        require(
            len(set(self.attesters)) == len(self.attesters),
            "attesters",
            "must not contain an entry twice",
        )
        require(is_tag(self.subject_tag), "subject", "must be a valid tag name")
        try:
            require_currency(self.currency)
        except ValueError as error:
            raise OutcomeTermsInvalid(f"currency: {error}.", param="currency") from None
        self._require_price_terms()
        self._require_times()
        if isinstance(self.kind, EventEffect):
            validate_event(self.kind)
        else:
            validate_measured_effect(self.kind)
            _validate_period(self, self.kind)
        _validate_covered(self.covered)
        if self.attribution is not None:
            of_event = isinstance(self.kind, EventEffect)
            require(
                of_event,
                "attribution",
                "is only allowed for events: a measured effect has no claims",
            )
            validate_attribution(self.attribution)
        if self.predictions is not None:
            _validate_predictions(self, self.predictions)
        comparable = bool(self.covered) or not self.lower_of_usage
        require(comparable, "lower_of_usage", "needs covered units")
        digest = hashlib.sha256(self.canonical_json()).digest()
        object.__setattr__(self, "_version_id", UUID(bytes=digest[:16]))

    def _require_price_terms(self) -> None:
        """Check floor, cap and share of savings; an event needs a price, a measured one a share."""
        require(0 <= self.floor <= _MAX_MINOR, "floor", "must not be negative or above the maximum")
        of_price = self.cap is None or self.floor <= self.cap <= _MAX_MINOR
        require(of_price, "cap", "must not be below the floor or above the maximum")
        if isinstance(self.price, SavingsShare):
            require(
                0 < self.price.ppm <= PPM, "share.percent", "must be more than 0 and at most 100"
            )
            require(0 < self.price.unit_value <= 10**18, "share.unit_value", "is out of range")
        of_saving = isinstance(self.price, SavingsShare)
        require(
            of_saving == isinstance(self.kind, MeasuredEffect),
            "price",
            "does not match the kind of effect: use [price] for an event and [share] for "
            "a measured effect",
        )

    def _require_times(self) -> None:
        """Check time zone, start, end and deadlines. Raises OutcomeTermsInvalid."""
        parse_time_zone(self.time_zone)
        require(self.starts_at.tzinfo is not None, "starts_at", "must have a time zone")
        ends = self.ends_at
        require(ends is None or ends.tzinfo is not None, "ends_at", "must have a time zone")
        require(ends is None or ends > self.starts_at, "ends_at", "must be later than the start")
        _validate_deadlines(self.deadlines)

    @property
    def supporting(self) -> AttributionRules:
        """Return the models and operations whose calls may support a claim."""
        return self.attribution or default_attribution(self.covered)

    def canonical_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, defaults included."""
        return msgspec.json.encode(_as_json(self), order="sorted")

    def version_id(self) -> UUID:
        """Return the first 16 bytes of the canonical JSON's SHA-256 as the id of these terms."""
        return self._version_id


@lru_cache(maxsize=256)
def parse_outcome_terms(text: bytes) -> OutcomeTerms:
    """Parse the canonical JSON of outcome terms (cached: terms are immutable)."""
    payload = msgspec.json.decode(text)
    effect = payload["kind"]
    return OutcomeTerms(
        **{
            **payload,
            "names": MappingProxyType(payload["names"]),
            "kind": msgspec.convert(effect, MeasuredEffect if "design" in effect else EventEffect),
            "price": _parse_price(payload["price"]),
            "attesters": tuple(AttesterKind(one) for one in payload["attesters"]),
            "deadlines": ContractDeadlines(**payload["deadlines"]),
            "starts_at": datetime.fromisoformat(payload["starts_at"]),
            "ends_at": payload["ends_at"] and datetime.fromisoformat(payload["ends_at"]),
            "covered": tuple(Allowance(**one) for one in payload["covered"]),
            "attribution": msgspec.convert(payload.get("attribution"), AttributionRules | None),
            "predictions": msgspec.convert(payload.get("predictions"), PredictionRules | None),
        }
    )


def _parse_price(payload: dict[str, Any]) -> Price | SavingsShare:
    """Parse the JSON of a price or of a share of savings. Raises PriceInvalid."""
    if payload["kind"] == "share":
        return SavingsShare(payload["ppm"], payload["unit_value"])
    return price_from_json(payload)


def _as_json(terms: OutcomeTerms) -> dict[str, Any]:
    """Return the JSON object of outcome terms; its canonical form is hashed and agreed to."""
    names = [name for name in OutcomeTerms.__slots__ if not name.startswith("_")]
    for name in ("attribution", "predictions"):
        if getattr(terms, name) is None:
            # Contracts agreed before this field existed keep their canonical JSON and its hash.
            names.remove(name)
    price = terms.price
    return {
        **{name: msgspec.to_builtins(getattr(terms, name)) for name in names if name != "names"},
        "names": dict(terms.names),
        # In UTC, so that the same instant has the same text in every time zone.
        "starts_at": terms.starts_at.astimezone(UTC).isoformat(),
        "ends_at": terms.ends_at and terms.ends_at.astimezone(UTC).isoformat(),
        "price": {"kind": "share", "ppm": price.ppm, "unit_value": price.unit_value}
        if isinstance(price, SavingsShare)
        else price.to_json(),
    }


def count_settlements(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> int:
    """Return the number of monthly settlements: local months that the time range overlaps."""
    first, last = local_day(starts_at, zone), local_day(ends_at - timedelta(microseconds=1), zone)
    return (last.year - first.year) * 12 + last.month - first.month + 1


def _validate_period(terms: OutcomeTerms, effect: MeasuredEffect) -> None:
    """Require an end, enough `looks` for all settlements, and a baseline period before the start.

    The confidence holds for all settlements together, so their number must be known in advance.
    """
    zone, ends_at = parse_time_zone(terms.time_zone), terms.ends_at
    if ends_at is None:
        raise OutcomeTermsInvalid(
            "ends_at: is required for a measured effect, so that the number of "
            "settlements is known.",
            param="ends_at",
        )
    settlements = count_settlements(terms.starts_at, ends_at, zone)
    enough_looks = effect.looks >= settlements
    require(
        enough_looks, "measure.looks", f"must be at least {settlements}: one settlement per month"
    )
    before = effect.before
    baseline_is_over = before is None or before.until <= local_day(terms.starts_at, zone)
    require(baseline_is_over, "measure.before", "must end before the contract starts")


def _validate_predictions(terms: OutcomeTerms, rules: PredictionRules) -> None:
    """Check the prediction rules and what they exclude. Raises OutcomeTermsInvalid.

    Whoever never or always warns earns nothing, so no amount may be due without skill (floor), and
    no effect may count that nobody observed (silence).
    """
    section = "predictions"
    require(isinstance(terms.kind, EventEffect), section, "is only allowed for events")
    validate_prediction_rules(rules)
    require(terms.floor == 0, "floor", "must be 0 in a contract with [predictions]")
    require(not terms.lower_of_usage, "lower_of_usage", "is not allowed with [predictions]")
    silence = terms.deadlines.silence_days is None
    require(silence, "deadlines.silence_days", "is not allowed with [predictions]")
    observers = set(terms.attesters) - {AttesterKind.OUR_MODEL}
    require(
        bool(observers),
        "attesters",
        "must name a kind besides our_model: the model's key attests the prediction, and somebody "
        "else the event",
    )
    fits = isinstance(terms.kind, EventEffect) and terms.kind.lead_hours < terms.kind.window_hours
    require(fits, "event.window_hours", "must be more than lead_hours in a contract of predictions")


def _validate_deadlines(deadlines: ContractDeadlines) -> None:
    """Check the days, and the text needed if silence confirms. Raises OutcomeTermsInvalid."""
    for field_name in ("dispute_days", "answer_days", "reversal_days"):
        days = getattr(deadlines, field_name)
        minimum = 0 if field_name == "reversal_days" else 1
        valid = minimum <= days <= _MAX_DAYS
        require(valid, f"deadlines.{field_name}", f"must be {minimum} to {_MAX_DAYS}")
    silence, words = deadlines.silence_days, deadlines.silence_words
    valid = silence is None or 0 < silence <= _MAX_DAYS
    require(valid, "deadlines.silence_days", f"must be 1 to {_MAX_DAYS}")
    valid_words = (
        words == "" if silence is None else is_text(words, 500) and len(words.strip()) >= 20
    )
    require(
        valid_words,
        "deadlines.silence_words",
        "must state in words (at least 20 characters) that silence counts as "
        "confirmation if silence_days is set, and must be empty otherwise",
    )


def _validate_covered(covered: tuple[Allowance, ...]) -> None:
    """Check the covered units: one model and meter each. Raises OutcomeTermsInvalid."""
    require(len(covered) <= _MAX_COVERED, "covered", f"can have at most {_MAX_COVERED} meters")
    for at, one in enumerate(covered):
        require(is_line(one.model, 100), f"covered[{at}].model", "must be a model id")
        require(one.model != ANY_MODEL, f"covered[{at}].model", "must be one model, not all models")
        require(one.meter in METERS, f"covered[{at}].meter", f"must be one of {', '.join(METERS)}")
        require(
            0 < one.quantity <= 10**15,
            f"covered[{at}].quantity",
            "must be greater than 0 and at most 10^15",
        )
    units = [(one.model, one.meter) for one in covered]
    require(len(set(units)) == len(units), "covered", "must not name a model's meter twice")
