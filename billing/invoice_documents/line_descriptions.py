"""Lines in words: what each line of an invoice is for, for which days, and how a fee was shared.

Owns a line's description, its days of service, and of fees the share of a whole fee that makes the
amount. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.dates import day_of, days_between, share_of_month
from billing.invoice_documents.outcome_charge import ChargeShown
from billing.invoice_documents.price_format import percent
from billing.invoice_documents.translations import say
from billing.invoice_documents.values import DocumentLine, Span, price_text_of
from billing.money import rounded
from billing.rating.fees import Calendar, PaidFee
from billing.rating.products import model_of, tier_of
from billing.rating.statement import Line, LineKind
from billing.rating.terms import Interval, PlanTerms


@dataclass(frozen=True, slots=True)
class Describing:
    """What lines are described by: terms, the account's calendar at a time, the paid fees that
    parts are given back of, by terms and end, and the charges that lines name."""

    locale: str
    terms: Mapping[UUID, PlanTerms]
    calendar_at: Callable[[datetime], Calendar]
    paid: Mapping[tuple[UUID, datetime], PaidFee]
    charges: Mapping[UUID, ChargeShown]


def described(by: Describing, lines: Sequence[Line]) -> tuple[DocumentLine, ...]:
    """The lines with their numbers and words."""
    return tuple(_described(by, number, line) for number, line in enumerate(lines, 1))


def span_of(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> Span:
    """A time with its days; an end at midnight belongs to the day before."""
    last = day_of(ends_at - timedelta(microseconds=1), zone)
    return Span(day_of(starts_at, zone), last, starts_at, ends_at)


def _described(by: Describing, number: int, line: Line) -> DocumentLine:
    terms = by.terms[line.version_id]
    service, base, share = None, None, None
    charge = None if line.charge_id is None else by.charges[line.charge_id]
    if line.starts_at is not None and line.ends_at is not None:
        calendar = by.calendar_at(line.starts_at)
        service = span_of(line.starts_at, line.ends_at, calendar.zone)
        base, share = _basis(by, line, service, calendar)
    return DocumentLine(
        number=number,
        line=line,
        description=charge.words[by.locale] if charge else words_of(by.locale, line, terms),
        plan=terms.plan,
        plan_name=terms.names[by.locale],
        price_text=price_text_of(line, by.locale),
        service=service,
        base=base,
        share=share,
        charge=charge,
    )


def words_of(locale: str, line: Line, terms: PlanTerms) -> str:
    """What a line is for; of an outcome its charge says it."""
    place = line.kind.value
    if line.kind is LineKind.DISCOUNT and line.model is not None:
        place = "model_discount"
    return say(
        locale,
        place,
        plan=terms.names[locale],
        model=named(locale, line.model or ""),
        meter=say(locale, line.meter) if line.meter else "",
        percent=percent(line.ppm or 0),
    )


def named(locale: str, name: str) -> str:
    """A product as people read it: the model, and its service tier where it is not the default."""
    tier = tier_of(name)
    return name if tier is None else say(locale, tier, model=model_of(name))


def _basis(
    by: Describing, line: Line, service: Span, calendar: Calendar
) -> tuple[int | None, Fraction | None]:
    """Of which amount a fee is which share, below zero where it is given back; nothing where that
    does not make the line's amount, or it is no fee."""
    if line.kind is LineKind.FIXED_FEE:
        terms = by.terms[line.version_id]
        base, share = terms.fixed_fee, _due(terms, service, calendar)
    else:
        paid = by.paid.get((line.version_id, service.ends_at))
        if paid is None:
            return None, None
        base, share = paid.minor, -_left(paid, service, calendar)
    return (base, share) if rounded(base * share) == line.minor else (None, None)


def _due(terms: PlanTerms, service: Span, calendar: Calendar) -> Fraction:
    if terms.interval is Interval.YEAR:
        return Fraction(1)
    days = service.starts_at, service.ends_at
    return share_of_month(*days, calendar.zone, calendar.anchor_day)


def _left(paid: PaidFee, service: Span, calendar: Calendar) -> Fraction:
    whole = days_between(paid.starts_at, paid.ends_at, calendar.zone)
    return Fraction(days_between(service.starts_at, service.ends_at, calendar.zone), whole)
