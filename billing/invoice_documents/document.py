"""The invoice document: the complete content of an invoice as one immutable value.

JSON, CSV, PDF and the dashboard are rendered from this value only, so they cannot disagree.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing.accounts.collection_method import Collection
from billing.accounts.parties import Party
from billing.invoice_documents.late_payment import DocumentPart
from billing.invoice_documents.price_format import format_percent
from billing.invoice_documents.project_breakdown import ProjectSection
from billing.invoice_documents.tag_breakdown import USAGE_KINDS, TagBreakdown
from billing.invoice_documents.translations import translate
from billing.invoice_documents.values import (
    AppliedTerms,
    DocumentCreditNote,
    DocumentLine,
    ServicePeriod,
    tag_to_json,
)
from billing.invoices.balances import InvoiceBalance
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.money import currency_exponent, minor_text
from billing.rating.taxes import TaxTreatment
from billing.tables import InvoiceStatus
from infra import ids

PREVIEW_STATUS = "preview"
_NON_FINAL_STATUSES = (PREVIEW_STATUS, InvoiceStatus.DRAFT)


@dataclass(frozen=True, slots=True)
class InvoiceDocument:
    """The content of an invoice, draft or preview; amounts in minor units of the currency.

    `number`, `issued_on` and `due_on` are set once the invoice is final. `period_id` is the billed
    period, if any; `list_version` is the price list version that priced calls without terms.
    `as_of` is the time up to which usage is included in a document that is not final.
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
    period: ServicePeriod
    lines: tuple[DocumentLine, ...]
    net: int
    tax: int
    total: int
    tax_treatment: str
    tax_ppm: int
    collection: str
    balance: InvoiceBalance
    notes: tuple[DocumentCreditNote, ...]
    tags: tuple[TagBreakdown, ...]
    terms: tuple[AppliedTerms, ...]
    as_of: datetime | None
    period_id: UUID | None
    list_version: UUID
    projects: tuple[ProjectSection, ...] = ()
    parts: tuple[DocumentPart, ...] = ()

    @property
    def name(self) -> str:
        """The name for files and links: the number (`MAAS-000012`), else the id or the status."""
        return self.number or (
            ids.format_id(INVOICE_ID_PREFIX, self.id) if self.id else self.status
        )

    @property
    def final(self) -> bool:
        """Whether the invoice is finalized."""
        return self.status not in _NON_FINAL_STATUSES

    @property
    def tax_note(self) -> str:
        """The note on tax, including the wording required for a reverse charge."""
        key = self.tax_treatment
        if key == TaxTreatment.STANDARD and self.tax_ppm == 0:
            key = "untaxed"
        note = self.translate(key, percent=format_percent(self.tax_ppm))
        if self.tax_ppm and True in self._tax_inclusive_values(self.lines):
            note += " " + self.translate("inclusive")
        return note

    @property
    def usage_sum(self) -> str:
        """The translation key of the label for a sum of usage lines: net, gross or mixed."""
        tax_inclusive = self._tax_inclusive_values(
            line for line in self.lines if line.line.kind in USAGE_KINDS
        )
        if len(tax_inclusive) > 1:
            return "usage_sum"
        return "usage_gross" if True in tax_inclusive else "usage_net"

    def _tax_inclusive_values(self, lines: Iterable[DocumentLine]) -> set[bool]:
        """Return the distinct `tax_inclusive` values of the terms of these lines."""
        version_ids = {line.line.version_id for line in lines}
        return {terms.tax_inclusive for terms in self.terms if terms.version_id in version_ids}

    @property
    def payment_terms(self) -> str:
        """The text on how and by when to pay."""
        if not self.final:
            return self.translate("not_final")
        if self.balance.owed <= 0:
            return self.translate("nothing_owed")
        owed = f"{self.text(self.balance.owed)} {self.currency}"
        if any(part.owed for part in self.parts):
            parts = "; ".join(
                self.translate(
                    "part", owed=f"{self.text(part.owed)} {self.currency}", due=part.due_on
                )
                for part in self.parts
                if part.owed
            )
            return self.translate("instalments", parts=parts, number=self.number)
        method = Collection.parse(self.collection).method
        return self.translate(method, owed=owed, due=self.due_on, number=self.number)

    @property
    def billing_rule(self) -> str:
        """The text on which calls are billed."""
        return self.translate("rule")

    def project_name(self, section: ProjectSection) -> str:
        """Return a project's name, translated if it is the name that default projects get."""
        return self.translate("default_project") if section.has_default_name else section.name

    def translate(self, key: str, **values: object) -> str:
        """Return the text of a translation key in the document's language."""
        return translate(self.locale, key, **values)

    def text(self, minor: int) -> str:
        """Format an amount in minor units as decimal text of the major unit."""
        return minor_text(minor, self.currency)

    def to_json(self) -> dict[str, Any]:
        """Return the document as JSON: decimal amounts, UTC times, local days."""
        return {
            "object": "invoice",
            "id": self.id and ids.format_id(INVOICE_ID_PREFIX, self.id),
            "account": ids.format_id("acct", self.account_id),
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
            "tax_percent": format_percent(self.tax_ppm),
            "collection": self.collection,
            "credit_notes": [note.to_json(self.currency) for note in self.notes],
            "tags": [tag_to_json(self.currency, tag) for tag in self.tags],
            "projects": [one.to_json(self.account_id, self.currency) for one in self.projects],
            "terms": [terms.to_json() for terms in self.terms],
            "tax_note": self.tax_note,
            "payment_terms": self.payment_terms,
            "instalments": [part.to_json(self.currency) for part in self.parts],
            "billing_rule": self.billing_rule,
            "as_of": self.as_of and self.as_of.isoformat(),
        }

    def _amounts(self) -> dict[str, str]:
        """Return totals and balance by name, as decimal text of the major unit."""
        amounts = {"net": self.net, "tax": self.tax, "total": self.total, **asdict(self.balance)}
        return {name: self.text(minor) for name, minor in amounts.items()}
