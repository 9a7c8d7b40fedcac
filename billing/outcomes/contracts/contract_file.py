"""Contract files: what an operator or a customer writes to propose an outcome contract, read into
outcome terms.

TOML from a file, or the same fields as JSON over the API. Amounts are decimal texts in the
contract's currency, percentages as `12.5`, times without an offset are the plant's. Pure.
"""

from datetime import datetime
from functools import partial
from types import MappingProxyType

import msgspec

from billing.dates import instant_of, zone_of
from billing.money import minor_from_text, nano_from_text
from billing.outcomes.contracts.effect_definitions import Event, Measure
from billing.outcomes.contracts.field_rules import OutcomeTermsInvalid
from billing.outcomes.contracts.measure_section import MeasureFields, measure_of
from billing.outcomes.contracts.supporting_calls import Attribution
from billing.outcomes.contracts.terms import (
    AttesterKind,
    Deadlines,
    OutcomeTerms,
    Share,
    settlements_between,
)
from billing.rating.price_file import PriceFields, ppm_from_text, price_of
from billing.rating.prices import Price
from billing.rating.terms import Allowance
from billing.rating.toml import shaped, told, with_line
from infra.validation_errors import misfit_of

_fields = msgspec.structs.asdict
_told = partial(told, OutcomeTermsInvalid)


class _EventFile(msgspec.Struct, forbid_unknown_fields=True):
    lead_hours: int
    window_hours: int
    apart_hours: int


class _ShareFile(msgspec.Struct, forbid_unknown_fields=True):
    percent: str
    unit_value: str


class _DeadlinesFile(msgspec.Struct, forbid_unknown_fields=True):
    dispute_days: int
    answer_days: int
    reversal_days: int
    silence_days: int | None = None
    silence_words: str = ""


class _CoveredFile(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    meter: str
    quantity: int


class _AttributionFile(msgspec.Struct, forbid_unknown_fields=True):
    models: list[str]
    operations: list[str]


class ContractFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A contract as it is written; `event` goes with `price`, `measure` with `share`.
    `attribution` names the models and operations whose calls may support an event's claim."""

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
    event: _EventFile | None = None
    price: PriceFields | None = None
    measure: MeasureFields | None = None
    share: _ShareFile | None = None
    deadlines: _DeadlinesFile
    covered: list[_CoveredFile] = []
    attribution: _AttributionFile | None = None
    lower_of_usage: bool = False
    cap: str | None = None
    floor: str = "0"


def read_contract_file(text: str) -> OutcomeTerms:
    """The terms that a TOML file states. Raises OutcomeTermsInvalid, PriceInvalid, TimeZoneUnknown
    naming the field, and its line where that is known."""
    return with_line(
        text,
        lambda: terms_of_fields(shaped(text, ContractFields, "The contract", OutcomeTermsInvalid)),
    )


def read_contract_json(body: bytes) -> OutcomeTerms:
    """The terms that the same fields state as JSON. Raises as `read_contract_file` does."""
    try:
        return terms_of_fields(_DECODER.decode(body))
    except msgspec.ValidationError as error:
        misfit = misfit_of(str(error))
        said, where = f"`{misfit.path}` {misfit.what}", misfit.path or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        said, where = "it is no valid JSON", None
    raise OutcomeTermsInvalid(f"The contract cannot be read: {said}.", param=where)


def terms_of_fields(file: ContractFields) -> OutcomeTerms:
    """Raises OutcomeTermsInvalid, PriceInvalid, TimeZoneUnknown."""
    return OutcomeTerms(
        tag=file.contract,
        names=MappingProxyType(file.names),
        currency=file.currency,
        effect=file.effect,
        meter=file.meter,
        kind=_kind(file),
        price=_price(file),
        attesters=tuple(file.attesters),
        deadlines=Deadlines(**_fields(file.deadlines)),
        starts_at=_told("starts_at", lambda: instant_of(file.starts_at, zone_of(file.time_zone))),
        ends_at=_told("ends_at", lambda: _end(file)),
        covered=tuple(Allowance(one.model, one.meter, one.quantity) for one in file.covered),
        lower_of_usage=file.lower_of_usage,
        cap=_told("cap", lambda: _cap(file)),
        floor=_told("floor", lambda: minor_from_text(file.floor, file.currency)),
        subject_tag=file.subject,
        time_zone=file.time_zone,
        attribution=_attribution(file.attribution),
    )


def _attribution(file: _AttributionFile | None) -> Attribution | None:
    return None if file is None else Attribution(tuple(file.models), tuple(file.operations))


def _end(file: ContractFields) -> datetime | None:
    return None if file.ends_at is None else instant_of(file.ends_at, zone_of(file.time_zone))


def _cap(file: ContractFields) -> int | None:
    return None if file.cap is None else minor_from_text(file.cap, file.currency)


def _settlements(file: ContractFields) -> int:
    """How many settlements there will be; what has no end is refused by its terms."""
    zone = zone_of(file.time_zone)
    starts_at, ends_at = instant_of(file.starts_at, zone), _end(file)
    if ends_at is None or ends_at <= starts_at:
        return 1
    return settlements_between(starts_at, ends_at, zone)


def _kind(file: ContractFields) -> Event | Measure:
    match file.event, file.measure:
        case _EventFile() as event, None:
            return Event(**_fields(event))
        case None, MeasureFields() as measure:
            return measure_of(measure, zone_of(file.time_zone), _settlements(file))
    raise OutcomeTermsInvalid("event: a contract has either [event] or [measure].", param="event")


def _price(file: ContractFields) -> Price | Share:
    """An event's price, or a measured effect's share; which of both it is, `_kind` has seen."""
    match file.event, file.price, file.share:
        case _EventFile(), PriceFields() as price, None:
            return _told("price", lambda: price_of(price))
        case None, None, _ShareFile() as share:
            return _share(share)
    said = "an event has a [price] each, a measured effect a [share] of the saving"
    raise OutcomeTermsInvalid(f"price: {said}.", param="price")


def _share(file: _ShareFile) -> Share:
    value = _told("share.unit_value", lambda: nano_from_text(file.unit_value))
    return Share(_told("share.percent", lambda: ppm_from_text(file.percent)), value)


_DECODER = msgspec.json.Decoder(ContractFields)
