"""Parts of an invoice document and their JSON forms: periods, lines, terms, credit notes, tags.

In JSON, amounts are decimal text of the major unit and days are of the account's calendar.
"""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing.invoice_documents.outcome_charge import OutcomeCharge
from billing.invoice_documents.price_format import format_percent, format_price, price_to_json
from billing.invoice_documents.tag_breakdown import TagBreakdown, TagShare
from billing.money import minor_text
from billing.rating.products import model_of_product, tier_of_product
from billing.rating.statement import StatementLine
from infra import ids


@dataclass(frozen=True, slots=True)
class ServicePeriod:
    """A service period with its first and last day."""

    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the period as JSON: local days (both inclusive) and UTC times."""
        return {
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line of the document with its number, from 1, and its texts.

    The amount of a fee is `share` of `base` minor units, for the days of `service`; the share of a
    credited fee is negative. `charge` is set on lines of outcomes. `reasoning_tokens` are a part of
    the quantity of output tokens and not priced by themselves; None if there are none.
    """

    number: int
    line: StatementLine
    description: str
    plan: str
    plan_name: str
    price_text: str
    service: ServicePeriod | None = None
    base: int | None = None
    share: Fraction | None = None
    charge: OutcomeCharge | None = None
    reasoning_tokens: int | None = None

    @property
    def quantity_text(self) -> str:
        """The quantity with thousands separators; empty if the line has none."""
        if self.charge is not None:
            return self.charge.quantity
        return "" if self.line.quantity is None else f"{self.line.quantity:,}"

    def to_json(self, currency: str) -> dict[str, Any]:
        """Return the line as JSON, with amounts as decimal text of the currency's major unit."""
        return {
            "number": self.number,
            "description": self.description,
            "plan": self.plan,
            "plan_name": self.plan_name,
            **line_to_json(currency, self.line),
            "price_text": self.price_text,
            "service": self.service and self.service.to_json(),
            "base": None if self.base is None else minor_text(self.base, currency),
            "share": None if self.share is None else str(self.share),
            "outcome": self.charge and self.charge.to_json(),
            "reasoning_tokens": self.reasoning_tokens,
        }


@dataclass(frozen=True, slots=True)
class AppliedTerms:
    """A plan version that the invoice refers to; `share` is the part of the month in force."""

    version_id: UUID
    plan: str
    number: int
    name: str
    share: Fraction
    tax_inclusive: bool

    def to_json(self) -> dict[str, Any]:
        """Return the terms as JSON; `share` is the fraction of the month as text."""
        return {
            "version": self.version_id.hex,
            "plan": self.plan,
            "number": self.number,
            "name": self.name,
            "share": str(self.share),
            "tax_inclusive": self.tax_inclusive,
        }


@dataclass(frozen=True, slots=True)
class DocumentCreditNote:
    """A credit note of the invoice; amounts in minor units."""

    id: UUID
    number: str
    issued_on: date
    reason: str
    net: int
    tax: int
    total: int
    to_wallet: int
    refunded: int

    def to_json(self, currency: str) -> dict[str, Any]:
        """Return the credit note as JSON, with amounts as decimal text of the major unit."""
        amounts = ("net", "tax", "total", "to_wallet", "refunded")
        return {
            "id": ids.format_id("cn", self.id),
            "number": self.number,
            "issued_on": self.issued_on.isoformat(),
            "reason": self.reason,
            **{name: minor_text(getattr(self, name), currency) for name in amounts},
        }


def line_to_json(currency: str, line: StatementLine) -> dict[str, Any]:
    """Return a statement line without texts as JSON; also used by previews of plan changes."""
    return {
        "kind": line.kind.value,
        "plan_version": line.version_id.hex,
        "model": line.model and model_of_product(line.model),
        "service_tier": line.model and tier_of_product(line.model),
        "meter": line.meter,
        "quantity": line.quantity,
        "included": line.included,
        "price": line.price and price_to_json(line.price),
        "percent": None if line.ppm is None else format_percent(line.ppm),
        "amount": minor_text(line.minor, currency),
        "add_on": line.add_on,
    }


def line_price_text(line: StatementLine, currency: str, locale: str) -> str:
    """Format the unit price or tiers of a line; empty if the line has no price."""
    if line.price is None:
        return ""
    return format_price(line.price, line.meter or "", currency, locale)


def tag_to_json(currency: str, tag: TagBreakdown) -> dict[str, Any]:
    """Return a tag breakdown as JSON."""
    return {"name": tag.name, "parts": [_share_to_json(currency, part) for part in tag.parts]}


def _share_to_json(currency: str, part: TagShare) -> dict[str, Any]:
    """Return as JSON the part of an invoice that a call tag's value caused, with its lines."""
    return {
        "kind": part.kind.value,
        "value": part.value or None,
        "count": part.count,
        "amount": minor_text(part.minor, currency),
        "lines": [
            {
                "line": line.number,
                "quantity": line.quantity,
                "amount": minor_text(line.minor, currency),
            }
            for line in part.lines
        ],
    }
