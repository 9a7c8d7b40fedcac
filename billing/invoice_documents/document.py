"""The invoice document: everything that an invoice says, as one immutable value.

JSON, CSV, PDF and the dashboard show this and nothing else, so they cannot disagree. Pure.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.accounts.parties import Party
from billing.invoice_documents.price_format import percent
from billing.invoice_documents.tag_breakdown import USAGE_KINDS, Tag
from billing.invoice_documents.translations import say
from billing.invoice_documents.values import DocumentLine, NoteShown, Span, TermsShown, tag_json
from billing.invoices.balances import Balance
from billing.invoices.lifecycle import PREFIX
from billing.money import currency_exponent, minor_text
from billing.rating.taxes import TaxTreatment
from billing.tables import InvoiceStatus
from infra import ids

PREVIEW = "preview"
_NOT_FINAL = (PREVIEW, InvoiceStatus.DRAFT)


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """An invoice, draft or preview; amounts in minor units of the currency.

    `number`, `issued_on` and `due_on` are there once it is final. `period_id` is the period that
    it bills, if it does, and `list_version` then what priced calls that name no terms. `as_of`
    says up to when usage is in a document that is not final.
    """

    id: UUID | None
    account_id: UUID
    number: str | None
    status: str
    locale: str
    time_zone: str
    currency: str
    seller: Party
    buyer: Party
    issued_on: date | None
    due_on: date | None
    period: Span
    lines: tuple[DocumentLine, ...]
    net: int
    tax: int
    total: int
    tax_treatment: str
    tax_ppm: int
    collection: str
    balance: Balance
    notes: tuple[NoteShown, ...]
    tags: tuple[Tag, ...]
    terms: tuple[TermsShown, ...]
    as_of: datetime | None
    period_id: UUID | None
    list_version: UUID

    @property
    def name(self) -> str:
        """What the document is called where it is kept: `MAAS-000012`."""
        return self.number or (ids.show(PREFIX, self.id) if self.id else self.status)

    @property
    def final(self) -> bool:
        return self.status not in _NOT_FINAL

    @property
    def tax_note(self) -> str:
        """What the bill says of tax, with the words that a reverse charge needs."""
        place = self.tax_treatment
        if place == TaxTreatment.STANDARD and self.tax_ppm == 0:
            place = "untaxed"
        note = self.say(place, percent=percent(self.tax_ppm))
        if self.tax_ppm and True in self._inclusive(self.lines):
            note += " " + self.say("inclusive")
        return note

    @property
    def usage_sum(self) -> str:
        """The label for a sum of usage lines: excluding tax, including it, or neither where the
        lines differ."""
        inclusive = self._inclusive(one for one in self.lines if one.line.kind in USAGE_KINDS)
        if len(inclusive) > 1:
            return "usage_sum"
        return "usage_gross" if True in inclusive else "usage_net"

    def _inclusive(self, lines: Iterable[DocumentLine]) -> set[bool]:
        """Whether the terms of these lines price with tax."""
        named = {one.line.version_id for one in lines}
        return {one.tax_inclusive for one in self.terms if one.version_id in named}

    @property
    def payment_terms(self) -> str:
        """How and until when it is to be paid."""
        if not self.final:
            return self.say("not_final")
        if self.balance.owed <= 0:
            return self.say("nothing_owed")
        owed = f"{self.text(self.balance.owed)} {self.currency}"
        return self.say(self.collection, owed=owed, due=self.due_on, number=self.number)

    @property
    def billing_rule(self) -> str:
        """Which calls are billed."""
        return self.say("rule")

    def say(self, place: str, **values: object) -> str:
        """A text in the document's language."""
        return say(self.locale, place, **values)

    def text(self, minor: int) -> str:
        """An amount as decimal text of the major unit."""
        return minor_text(minor, self.currency)

    def to_json(self) -> dict[str, Any]:
        """Amounts as decimal text, times in UTC, days as the account's calendar has them."""
        return {
            "object": "invoice",
            "id": self.id and ids.show(PREFIX, self.id),
            "account": ids.show("acct", self.account_id),
            "number": self.number,
            "status": self.status,
            "locale": self.locale,
            "time_zone": self.time_zone,
            "currency": self.currency,
            "currency_exponent": currency_exponent(self.currency),
            "seller": asdict(self.seller),
            "buyer": asdict(self.buyer),
            "issued_on": self.issued_on and self.issued_on.isoformat(),
            "due_on": self.due_on and self.due_on.isoformat(),
            "period": self.period.to_json(),
            "lines": [line.to_json(self.currency) for line in self.lines],
            **self._amounts(),
            "tax_treatment": self.tax_treatment,
            "tax_percent": percent(self.tax_ppm),
            "collection": self.collection,
            "credit_notes": [note.to_json(self.currency) for note in self.notes],
            "tags": [tag_json(self.currency, tag) for tag in self.tags],
            "terms": [one.to_json() for one in self.terms],
            "tax_note": self.tax_note,
            "payment_terms": self.payment_terms,
            "billing_rule": self.billing_rule,
            "as_of": self.as_of and self.as_of.isoformat(),
        }

    def _amounts(self) -> dict[str, str]:
        amounts = {"net": self.net, "tax": self.tax, "total": self.total, **asdict(self.balance)}
        return {name: self.text(minor) for name, minor in amounts.items()}
