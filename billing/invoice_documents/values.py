"""What an invoice document is made of: days, lines, terms, credit notes, balance.

Owns these values and their JSON forms: amounts are decimal text of the major unit, days are as the
account's calendar has them. Pure.
"""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing.invoice_documents.outcome_charge import ChargeShown
from billing.invoice_documents.price_format import percent, price_decimals, price_words
from billing.invoice_documents.tag_breakdown import Part, Tag
from billing.money import minor_text
from billing.rating.products import model_of, tier_of
from billing.rating.statement import Line
from infra import ids


@dataclass(frozen=True, slots=True)
class Span:
    """A time, with its first and its last day."""

    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line with its number, from 1, and words. A fee is `share` of `base` minor units, for the
    days of `service`; of one that is given back the share is below zero. An outcome's line is what
    `charge` says."""

    number: int
    line: Line
    description: str
    plan: str
    plan_name: str
    price_text: str
    service: Span | None = None
    base: int | None = None
    share: Fraction | None = None
    charge: ChargeShown | None = None

    @property
    def quantity_text(self) -> str:
        """Units as people read them; empty where a line has none."""
        if self.charge is not None:
            return self.charge.quantity
        return "" if self.line.quantity is None else f"{self.line.quantity:,}"

    def to_json(self, currency: str) -> dict[str, Any]:
        return {
            "number": self.number,
            "description": self.description,
            "plan": self.plan,
            "plan_name": self.plan_name,
            **line_json(currency, self.line),
            "price_text": self.price_text,
            "service": self.service and self.service.to_json(),
            "base": None if self.base is None else minor_text(self.base, currency),
            "share": None if self.share is None else str(self.share),
            "outcome": self.charge and self.charge.to_json(),
        }


@dataclass(frozen=True, slots=True)
class TermsShown:
    """A plan version that the invoice names, and in how much of the period it was in force."""

    version_id: UUID
    plan: str
    number: int
    name: str
    share: Fraction
    tax_inclusive: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version_id.hex,
            "plan": self.plan,
            "number": self.number,
            "name": self.name,
            "share": str(self.share),
            "tax_inclusive": self.tax_inclusive,
        }


@dataclass(frozen=True, slots=True)
class NoteShown:
    """A credit note of the invoice, in minor units."""

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
        amounts = ("net", "tax", "total", "to_wallet", "refunded")
        return {
            "id": ids.show("cn", self.id),
            "number": self.number,
            "issued_on": self.issued_on.isoformat(),
            "reason": self.reason,
            **{name: minor_text(getattr(self, name), currency) for name in amounts},
        }


def line_json(currency: str, line: Line) -> dict[str, Any]:
    """A line without words, as the preview of a change shows it too."""
    return {
        "kind": line.kind.value,
        "plan_version": line.version_id.hex,
        "model": line.model and model_of(line.model),
        "service_tier": line.model and tier_of(line.model),
        "meter": line.meter,
        "quantity": line.quantity,
        "included": line.included,
        "price": line.price and price_decimals(line.price),
        "percent": None if line.ppm is None else percent(line.ppm),
        "amount": minor_text(line.minor, currency),
    }


def price_text_of(line: Line, locale: str) -> str:
    """The unit price, or the tiers, in words; empty where a line has none."""
    return "" if line.price is None else price_words(line.price, line.meter or "", locale)


def tag_json(currency: str, tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "parts": [_part_json(currency, part) for part in tag.parts]}


def _part_json(currency: str, part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind.value,
        "value": part.value or None,
        "count": part.count,
        "amount": minor_text(part.minor, currency),
        "lines": [
            {
                "line": one.number,
                "quantity": one.quantity,
                "amount": minor_text(one.minor, currency),
            }
            for one in part.lines
        ],
    }
