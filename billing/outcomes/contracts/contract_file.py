"""Parsing of contract files (TOML, or the same fields as JSON) into outcome terms.

Amounts are decimal strings in the contract's currency, percentages such as `12.5`; times without
an offset are in the plant's time zone. The field names are the file format: they must not change.
"""

from datetime import datetime
from functools import partial
from types import MappingProxyType

import msgspec

from billing.dates import parse_instant, parse_time_zone
from billing.money import minor_from_text, nano_from_text, ppm_from_percent
from billing.outcomes.contracts.effect_definitions import EventEffect, MeasuredEffect
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.measure_section import MeasureFields, measured_effect_from_fields
from billing.outcomes.contracts.prediction_rules import RULE_VERSION, PredictionRules
from billing.outcomes.contracts.supporting_calls import AttributionRules
from billing.outcomes.contracts.terms import (
    AttesterKind,
    ContractDeadlines,
    OutcomeTerms,
    SavingsShare,
    count_settlements,
)
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.price_fields import PriceFields
from billing.rating.price_kinds.registry import price_from_fields
from billing.rating.terms import Allowance
from billing.rating.toml import parse_toml, read_field, with_line_number
from infra.validation_errors import parse_validation_error

_asdict = msgspec.structs.asdict
_parse_field = partial(read_field, OutcomeTermsInvalid)


class _EventFields(msgspec.Struct, forbid_unknown_fields=True):
    lead_hours: int
    window_hours: int
    apart_hours: int


class _ShareFields(msgspec.Struct, forbid_unknown_fields=True):
    percent: str
    unit_value: str


class _DeadlineFields(msgspec.Struct, forbid_unknown_fields=True):
    dispute_days: int
    answer_days: int
    reversal_days: int
    silence_days: int | None = None
    silence_words: str = ""


class _CoveredUnitFields(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    meter: str
    quantity: int


class _AttributionFields(msgspec.Struct, forbid_unknown_fields=True):
    models: list[str]
    operations: list[str]


class _PredictionFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    event: str
    subjects: list[str]
    models: list[str]
    agents: list[str] = []
    probability: str
    settle_months: int = 6
    confidence: str = "99"
    precision: str = "50"
    recall: str = "50"
    reported: bool = False
    version: int = RULE_VERSION


class ContractFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The fields of a contract file; `event` goes with `price`, `measure` with `share`.

    `attribution` names the models and operations whose calls may support an event's claim,
    `predictions` the records of the prediction ledger that do.
    """

    contract: str
    names: dict[str, str]
    currency: str
    effect: str
    meter: str
    attesters: list[AttesterKind]
    starts_at: datetime
    ends_at: datetime | None = None
    time_zone: str = "Asia/Shanghai"
    subject: str = "machine"
    event: _EventFields | None = None
    price: PriceFields | None = None
    measure: MeasureFields | None = None
    share: _ShareFields | None = None
    deadlines: _DeadlineFields
    covered: list[_CoveredUnitFields] = []
    attribution: _AttributionFields | None = None
    predictions: _PredictionFields | None = None
    lower_of_usage: bool = False
    cap: str | None = None
    floor: str = "0"


def parse_contract_toml(text: str) -> OutcomeTerms:
    """Parse a TOML contract file into outcome terms.

    Raises OutcomeTermsInvalid, PriceInvalid or TimeZoneUnknown naming the field, and its line if
    known.
    """
    return with_line_number(
        text,
        lambda: terms_from_fields(
            parse_toml(text, ContractFields, "The contract", OutcomeTermsInvalid)
        ),
    )


def parse_contract_json(body: bytes) -> OutcomeTerms:
    """Parse a contract in JSON into outcome terms. Raises the same as `parse_contract_toml`."""
    try:
        return terms_from_fields(_DECODER.decode(body))
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        message, param = f"`{misfit.path}` {misfit.what}", misfit.path or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        message, param = "it is not valid JSON", None
    raise OutcomeTermsInvalid(f"The contract cannot be read: {message}.", param=param)


def terms_from_fields(file: ContractFields) -> OutcomeTerms:
    """Build outcome terms from the fields of a contract file.

    Raises OutcomeTermsInvalid, PriceInvalid, TimeZoneUnknown.
    """
    return OutcomeTerms(
        tag=file.contract,
        names=MappingProxyType(file.names),
        currency=file.currency,
        effect=file.effect,
        meter=file.meter,
        kind=_effect(file),
        price=_price(file),
        attesters=tuple(file.attesters),
        deadlines=ContractDeadlines(**_asdict(file.deadlines)),
        starts_at=_parse_field(
            "starts_at", lambda: parse_instant(file.starts_at, parse_time_zone(file.time_zone))
        ),
        ends_at=_parse_field("ends_at", lambda: _ends_at(file)),
        covered=tuple(Allowance(one.model, one.meter, one.quantity) for one in file.covered),
        lower_of_usage=file.lower_of_usage,
        cap=_parse_field("cap", lambda: _cap(file)),
        floor=_parse_field("floor", lambda: minor_from_text(file.floor, file.currency)),
        subject_tag=file.subject,
        time_zone=file.time_zone,
        attribution=_attribution(file.attribution),
        predictions=_predictions(file.predictions),
    )


def _attribution(file: _AttributionFields | None) -> AttributionRules | None:
    """Return the attribution rules of [attribution], or None without this section."""
    return None if file is None else AttributionRules(tuple(file.models), tuple(file.operations))


def _predictions(file: _PredictionFields | None) -> PredictionRules | None:
    """Return the rules of [predictions] with percentages in ppm, or None without this section."""
    if file is None:
        return None
    ppm = {
        f"{name}_ppm": _parse_field(
            f"predictions.{name}", partial(ppm_from_percent, getattr(file, name))
        )
        for name in ("probability", "confidence", "precision", "recall")
    }
    return PredictionRules(
        event=file.event,
        subjects=tuple(file.subjects),
        models=tuple(file.models),
        agents=tuple(file.agents),
        settle_months=file.settle_months,
        reported=file.reported,
        version=file.version,
        **ppm,
    )


def _ends_at(file: ContractFields) -> datetime | None:
    """Return the end of the contract in its time zone, or None if the file has no end."""
    return (
        None
        if file.ends_at is None
        else parse_instant(file.ends_at, parse_time_zone(file.time_zone))
    )


def _cap(file: ContractFields) -> int | None:
    """Return the monthly cap in minor units, or None if the file has no cap."""
    return None if file.cap is None else minor_from_text(file.cap, file.currency)


def _settlement_count(file: ContractFields) -> int:
    """Return the number of monthly settlements; 1 without an end, which the terms reject later."""
    zone = parse_time_zone(file.time_zone)
    starts_at, ends_at = parse_instant(file.starts_at, zone), _ends_at(file)
    if ends_at is None or ends_at <= starts_at:
        return 1
    return count_settlements(starts_at, ends_at, zone)


def _effect(file: ContractFields) -> EventEffect | MeasuredEffect:
    """Return the event or measured effect. Raises OutcomeTermsInvalid unless exactly one."""
    match file.event, file.measure:
        case _EventFields() as event, None:
            return EventEffect(**_asdict(event))
        case None, MeasureFields() as measure:
            return measured_effect_from_fields(
                measure, parse_time_zone(file.time_zone), _settlement_count(file)
            )
    raise OutcomeTermsInvalid(
        "event: a contract must have either [event] or [measure].", param="event"
    )


def _price(file: ContractFields) -> Price | SavingsShare:
    """Return an event's [price] or a measured effect's [share] of savings; only one is allowed.

    `_effect` must run first: it requires exactly one of [event] and [measure]. Raises
    OutcomeTermsInvalid.
    """
    match file.event, file.price, file.share:
        case _EventFields(), PriceFields() as price, None:
            return _parse_field("price", lambda: price_from_fields(price))
        case None, None, _ShareFields() as share:
            return _share(share)
    message = "an event contract needs [price], a contract on a measured effect needs [share]"
    raise OutcomeTermsInvalid(f"price: {message}.", param="price")


def _share(file: _ShareFields) -> SavingsShare:
    """Return the share of the savings in ppm and the value of one unit in nano-units."""
    value = _parse_field("share.unit_value", lambda: nano_from_text(file.unit_value))
    return SavingsShare(
        _parse_field("share.percent", lambda: ppm_from_percent(file.percent)), value
    )


_DECODER = msgspec.json.Decoder(ContractFields)
