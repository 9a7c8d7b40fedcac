"""An invoice as FOCUS rows (FinOps Open Cost and Usage Specification 1.2), as CSV.

One row per invoice line, one for the tax that the lines do not contain, and one per credit note.
The sum of `BilledCost` is the invoice's total less its credit notes. `ListCost` and
`ContractedCost` are the usage at the plan's prices before discounts; a discount is a row of its
own, with the category Credit. Source: https://focus.finops.org/focus-specification/v1-2/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.dates import local_midnight, parse_time_zone
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.csv import format_csv_rows
from billing.invoice_documents.values import DocumentCreditNote, DocumentLine
from billing.money import NANO, currency_exponent
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.products import model_of_product
from billing.rating.statement import LineKind
from infra import ids

COLUMNS = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
)
_CORRECTION = "Correction"
# Of purchases: the units of a prepaid pack are consumed later.
_NOT_CONSUMED: Mapping[str, None] = dict.fromkeys(("ConsumedQuantity", "ConsumedUnit"))


@dataclass(frozen=True, slots=True)
class _Charge:
    """FOCUS classification of an invoice line: category, frequency, and class if a correction."""

    category: str
    frequency: str
    charge_class: str | None = None


_CHARGES: Mapping[LineKind, _Charge] = {
    LineKind.FIXED_FEE: _Charge("Purchase", "Recurring"),
    LineKind.UNUSED_FEE: _Charge("Purchase", "Recurring", _CORRECTION),
    LineKind.USAGE: _Charge("Usage", "Usage-Based"),
    LineKind.LATE_USAGE: _Charge("Usage", "Usage-Based", _CORRECTION),
    LineKind.DISCOUNT: _Charge("Credit", "Usage-Based"),
    LineKind.MINIMUM: _Charge("Adjustment", "Recurring"),
    LineKind.OUTCOME: _Charge("Usage", "Usage-Based"),
    LineKind.LATE_FEE: _Charge("Adjustment", "One-Time"),
    LineKind.PACK: _Charge("Purchase", "One-Time"),
    LineKind.ADD_ON: _Charge("Purchase", "Recurring"),
    LineKind.UNUSED_ADD_ON: _Charge("Purchase", "Recurring", _CORRECTION),
}


def render_focus_csv(document: InvoiceDocument) -> bytes:
    """Return the invoice as a FOCUS CSV file: UTF-8 without byte order mark, with a header."""
    cells = ([row.get(column) for column in COLUMNS] for row in focus_rows(document))
    return format_csv_rows([COLUMNS, *cells])


def focus_rows(document: InvoiceDocument) -> list[Mapping[str, Any]]:
    """Return the FOCUS rows of an invoice by column name; columns without a value are left out."""
    common = _common_values(document)
    rows = [*_line_rows(document), *_tax_rows(document), *_credit_note_rows(document)]
    return [{**common, **row} for row in rows]


def _common_values(document: InvoiceDocument) -> dict[str, Any]:
    """Return the values that all rows of the invoice share."""
    return {
        "BillingAccountId": ids.format_id("acct", document.account_id),
        "BillingAccountName": document.buyer.name,
        "BillingAccountType": "Account",
        "BillingCurrency": document.currency,
        "BillingPeriodStart": _time(document.period.starts_at),
        "BillingPeriodEnd": _time(document.period.ends_at),
        "ChargePeriodStart": _time(document.period.starts_at),
        "ChargePeriodEnd": _time(document.period.ends_at),
        "InvoiceId": document.number,
        "InvoiceIssuerName": document.seller.name,
        "PricingCurrency": document.currency,
        "ProviderName": document.seller.name,
        "PublisherName": document.seller.name,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Model as a Service",
        "ServiceSubcategory": "AI Platforms",
        "Tags": "{}",
    }


def _line_rows(document: InvoiceDocument) -> Iterator[dict[str, Any]]:
    """Yield the row of each invoice line."""
    for line in document.lines:
        charge = _CHARGES[line.line.kind]
        consumed = {} if charge.category == "Usage" else _NOT_CONSUMED
        yield {
            **_costs(document, line.line.minor),
            **_service_period(line),
            **_usage_values(line),
            **consumed,
            "ChargeCategory": charge.category,
            "ChargeClass": charge.charge_class,
            "ChargeDescription": line.description,
            "ChargeFrequency": charge.frequency,
        }


def _service_period(line: DocumentLine) -> dict[str, str]:
    """Return the charge period of a line that has a service period of its own."""
    if line.service is None:
        return {}
    return {
        "ChargePeriodStart": _time(line.service.starts_at),
        "ChargePeriodEnd": _time(line.service.ends_at),
    }


def _usage_values(line: DocumentLine) -> dict[str, Any]:
    """Return model, SKU, consumed and priced quantities of a line of usage.

    Units that an allowance covers are consumed but not priced. Tiered prices have no unit price.
    """
    statement_line = line.line
    if statement_line.quantity is None or statement_line.meter is None:
        return {}
    unit = statement_line.meter.replace("_", " ").title()
    sku = f"{statement_line.model}:{statement_line.meter}"
    price = statement_line.price
    unit_price = _unit_price(price.unit) if isinstance(price, PerUnit) else None
    return {
        "ConsumedQuantity": _decimal(statement_line.quantity, 0),
        "ConsumedUnit": unit,
        "ContractedUnitPrice": unit_price,
        "ListUnitPrice": unit_price,
        "PricingCategory": "Standard",
        "PricingQuantity": _decimal(statement_line.quantity - statement_line.included, 0),
        "PricingUnit": unit,
        "ResourceId": statement_line.model and model_of_product(statement_line.model),
        "ResourceName": statement_line.model and model_of_product(statement_line.model),
        "ResourceType": "Model",
        "ServiceSubcategory": "Generative AI" if "Token" in unit else "Machine Learning",
        "SkuId": sku,
        "SkuMeter": unit,
        "SkuPriceId": f"{statement_line.version_id.hex}:{sku}",
    }


def _tax_rows(document: InvoiceDocument) -> Iterator[dict[str, Any]]:
    """Yield the row of the tax, if the amounts of the lines do not contain it already."""
    tax = document.total - sum(line.line.minor for line in document.lines)
    if tax:
        yield {
            **_costs(document, tax),
            "ChargeCategory": "Tax",
            "ChargeDescription": document.tax_note,
            "ChargeFrequency": "Usage-Based",
        }


def _credit_note_rows(document: InvoiceDocument) -> Iterator[dict[str, Any]]:
    """Yield a negative row for each credit note; its charge period is the day of issue."""
    for note in document.notes:
        starts_at, ends_at = _day(document, note)
        yield {
            **_costs(document, -note.total),
            "ChargeCategory": "Credit",
            "ChargeClass": _CORRECTION,
            "ChargeDescription": f"{note.number}: {note.reason}",
            "ChargeFrequency": "One-Time",
            "ChargePeriodStart": _time(starts_at),
            "ChargePeriodEnd": _time(ends_at),
        }


def _day(document: InvoiceDocument, note: DocumentCreditNote) -> tuple[datetime, datetime]:
    """Return the bounds of the day on which a credit note was issued, in the account's zone."""
    zone = parse_time_zone(document.time_zone)
    next_day = note.issued_on + timedelta(days=1)
    return local_midnight(note.issued_on, zone), local_midnight(next_day, zone)


def _costs(document: InvoiceDocument, minor: int) -> dict[str, str]:
    """Return the four costs of a row, which are equal: nothing is amortized or negotiated."""
    cost = _decimal(minor, currency_exponent(document.currency))
    return dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), cost)


def _unit_price(nano: int) -> str:
    """Return a unit price in nano-units as decimal text of the major unit."""
    return _decimal(nano, len(str(NANO)) - 1)


def _decimal(units: int, exponent: int) -> str:
    """Return an integer of 10^-exponent units as text with a decimal point.

    Readers infer a column's type from its text, and costs and quantities must not become integers.
    """
    sign, digits = "-" if units < 0 else "", str(abs(units)).rjust(exponent + 1, "0")
    whole, fraction = digits[: len(digits) - exponent], digits[len(digits) - exponent :]
    return f"{sign}{whole}.{fraction or '0'}"


def _time(at: datetime) -> str:
    """Return a time as FOCUS requires it: ISO 8601 in UTC with Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
