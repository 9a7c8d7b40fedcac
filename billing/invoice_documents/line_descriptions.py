"""Descriptions of invoice lines: text, service period and, for fees, the charged share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.dates import billing_month_share, days_between, local_day
from billing.invoice_documents.outcome_charge import OutcomeCharge
from billing.invoice_documents.price_format import format_percent
from billing.invoice_documents.reasoning_usage import ReasoningByLine, line_reasoning_tokens
from billing.invoice_documents.translations import translate
from billing.invoice_documents.values import DocumentLine, ServicePeriod, line_price_text
from billing.money import rounded
from billing.rating.fees import BillingCalendar, PaidFee
from billing.rating.products import model_of_product, tier_of_product
from billing.rating.statement import LineKind, StatementLine
from billing.rating.terms import Interval, PlanTerms


@dataclass(frozen=True, slots=True)
class DescriptionContext:
    """The data needed to describe lines.

    `paid_fees` are the fees that unused-fee lines refer to, by terms version and end.
    `outcome_charges` are the charges that outcome lines refer to, by charge id. `reasoning` are the
    reasoning tokens of usage lines, shown as information. `late_invoices` are the numbers of the
    overdue invoices of the late fee lines, in their order.
    """

    locale: str
    terms: Mapping[UUID, PlanTerms]
    calendar_at: Callable[[datetime], BillingCalendar]
    paid_fees: Mapping[tuple[UUID, datetime], PaidFee]
    outcome_charges: Mapping[UUID, OutcomeCharge]
    reasoning: ReasoningByLine = field(default_factory=dict)
    late_invoices: Sequence[str] = ()


def describe_lines(
    context: DescriptionContext, lines: Sequence[StatementLine]
) -> tuple[DocumentLine, ...]:
    """Number the lines from 1 and describe each of them."""
    late_invoices = iter(context.late_invoices)
    return tuple(
        _describe_line(
            context,
            number,
            line,
            next(late_invoices, "") if line.kind is LineKind.LATE_FEE else "",
        )
        for number, line in enumerate(lines, 1)
    )


def service_period(starts_at: datetime, ends_at: datetime, zone: ZoneInfo) -> ServicePeriod:
    """Return the service period with its first and last day; an end at midnight is exclusive."""
    last = local_day(ends_at - timedelta(microseconds=1), zone)
    return ServicePeriod(local_day(starts_at, zone), last, starts_at, ends_at)


def _describe_line(
    context: DescriptionContext, number: int, line: StatementLine, late_invoice: str
) -> DocumentLine:
    """Return a line with its number, texts and service period, and a fee's base and share."""
    terms = context.terms[line.version_id]
    service, base, share = None, None, None
    charge = None if line.charge_id is None else context.outcome_charges[line.charge_id]
    reasoning = line_reasoning_tokens(line, context.reasoning)
    if line.starts_at is not None and line.ends_at is not None:
        calendar = context.calendar_at(line.starts_at)
        service = service_period(line.starts_at, line.ends_at, calendar.zone)
        base, share = _fee_basis(context, line, service, calendar)
    return DocumentLine(
        number=number,
        line=line,
        description=charge.words[context.locale]
        if charge
        else line_description(context.locale, line, terms, reasoning, late_invoice),
        plan=terms.plan,
        plan_name=terms.names[context.locale],
        price_text=line_price_text(line, terms.currency, context.locale),
        service=service,
        base=base,
        share=share,
        charge=charge,
        reasoning_tokens=reasoning,
    )


def line_description(
    locale: str,
    line: StatementLine,
    terms: PlanTerms,
    reasoning: int | None = None,
    late_invoice: str = "",
) -> str:
    """Return the description of a line, except of outcome lines, which their charge describes.

    `reasoning` are the reasoning tokens in its quantity, if any. `late_invoice` is the number of
    the overdue invoice of a late fee.
    """
    key = line.kind.value
    if line.kind is LineKind.DISCOUNT and line.model is not None:
        key = "model_discount"
    return translate(
        locale,
        key,
        plan=terms.names[locale],
        model=product_label(locale, line.model or "") or translate(locale, "all_models"),
        meter=_meter_text(locale, line.meter, reasoning, line.packed) if line.meter else "",
        percent=format_percent(line.ppm or 0),
        late_invoice=late_invoice,
        add_on="" if line.add_on is None else terms.require_add_on(line.add_on).names[locale],
    )


def _meter_text(locale: str, meter: str, reasoning: int | None, packed: int) -> str:
    """Return the name of a meter, with the reasoning tokens and pack units in its quantity."""
    name = translate(locale, meter)
    if reasoning:
        name = translate(locale, "with_reasoning", meter=name, count=f"{reasoning:,}")
    if packed:
        name = translate(locale, "with_packs", meter=name, count=f"{packed:,}")
    return name


def product_label(locale: str, name: str) -> str:
    """Return the label of a product: the model, with its service tier unless it is the default."""
    tier = tier_of_product(name)
    return name if tier is None else translate(locale, tier, model=model_of_product(name))


def _fee_basis(
    context: DescriptionContext,
    line: StatementLine,
    service: ServicePeriod,
    calendar: BillingCalendar,
) -> tuple[int | None, Fraction | None]:
    """Return (base amount in minor units, share) of a fee line; the share of a credit is negative.

    Returns (None, None) for other lines, or if base times share is not the line's amount.
    """
    if line.add_on is not None:
        return None, None
    if line.kind is LineKind.FIXED_FEE:
        terms = context.terms[line.version_id]
        base, share = terms.fixed_fee, _charged_share(terms, service, calendar)
    else:
        paid = context.paid_fees.get((line.version_id, service.ends_at))
        if paid is None:
            return None, None
        base, share = paid.minor, -_unused_share(paid, service, calendar)
    return (base, share) if rounded(base * share) == line.minor else (None, None)


def _charged_share(terms: PlanTerms, service: ServicePeriod, calendar: BillingCalendar) -> Fraction:
    """Return the share of the fee charged for a service period; yearly fees are charged whole."""
    if terms.interval is Interval.YEAR:
        return Fraction(1)
    return billing_month_share(
        service.starts_at, service.ends_at, calendar.zone, calendar.anchor_day
    )


def _unused_share(paid: PaidFee, service: ServicePeriod, calendar: BillingCalendar) -> Fraction:
    """Return the share of days of a paid fee that the service period leaves unused."""
    unused_days = days_between(service.starts_at, service.ends_at, calendar.zone)
    return Fraction(unused_days, days_between(paid.starts_at, paid.ends_at, calendar.zone))
