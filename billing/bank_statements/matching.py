"""Matches incoming transfers to open invoices, by reference, amount and payer. Pure.

    reference and amount agree, and the payer is known -> proposed, without flags (exact)
    reference or amount or payer differs               -> proposed, with flags
    several invoices are possible                      -> ambiguous
    none is                                            -> unmatched

Only exact proposals may be confirmed together; a person looks at each of the others.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from billing.bank_statements.entries import BankEntry
from billing.bank_statements.references import (
    InvoiceName,
    ReferencePatterns,
    build_patterns,
    find_references,
)

_NOT_IN_NAMES = re.compile(r"[\W_]+")
_MAX_TEXT_LENGTH = 1000


class LineStatus(StrEnum):
    """Status of a line; the first three are results of matching."""

    PROPOSED = "proposed"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"
    CONFIRMED = "confirmed"


class Flag(StrEnum):
    """Why a line needs a person."""

    PARTIAL = "partial"  # less than is due
    OVERPAID = "overpaid"  # more than is due; the rest goes to the wallet
    OTHER_PAYER = "other_payer"  # the payer's name is not one of the customer's
    NO_REFERENCE = "no_reference"  # found by payer and amount
    WRONG_REFERENCE = "wrong_reference"  # names another invoice than payer and amount do
    NOT_OPEN = "not_open"  # names an invoice that is not open, perhaps paid twice
    PAID_TWICE = "paid_twice"  # another line of the statements pays this invoice
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An open invoice: code and number, amount due in minor units, and names of its customer."""

    id: UUID
    account_id: UUID
    code: str
    number: int
    currency: str
    owed: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Part:
    """The minor units of a transfer that pay an invoice."""

    invoice_id: UUID
    account_id: UUID
    minor: int


@dataclass(frozen=True, slots=True)
class Match:
    """The result of matching a transfer; an ambiguous one has a part for each possible invoice."""

    status: LineStatus
    parts: tuple[Part, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether reference, amount and payer agree."""
        return self.status is LineStatus.PROPOSED and not self.flags


@dataclass
class Matcher:
    """Matches transfers one after the other; each proposal reduces what is due on its invoice."""

    invoices: Sequence[OpenInvoice]
    codes: Collection[str]
    _due: dict[UUID, int] = field(init=False)
    _by_name: Mapping[InvoiceName, OpenInvoice] = field(init=False)
    _by_payer: dict[tuple[str, str, int], list[OpenInvoice]] = field(init=False)
    _patterns: ReferencePatterns = field(init=False)

    def __post_init__(self) -> None:
        self._due = {one.id: one.owed for one in self.invoices}
        self._by_name = {(one.code, one.number): one for one in self.invoices}
        self._by_payer = {}
        for one in self.invoices:
            for name in one.names:
                self._by_payer.setdefault((name, one.currency, one.owed), []).append(one)
        self._patterns = build_patterns(self.codes)

    def match(self, entry: BankEntry, rejected: Collection[UUID] = ()) -> Match:
        """Match a transfer; invoices in `rejected` were rejected for it before."""
        references = find_references(self._patterns, entry.text[:_MAX_TEXT_LENGTH])
        named = self._named_invoices(references, rejected)
        by_payer = self._by_payer_and_amount(entry, rejected)
        if len(named) > 1:
            result = self._match_several(entry, named)
        elif named:
            result = self._match_one(entry, named[0], by_payer)
        else:
            result = self._match_payer(entry, by_payer, bool(references))
        if result.status is LineStatus.PROPOSED:
            for part in result.parts:
                self._due[part.invoice_id] -= part.minor
        return result

    def _named_invoices(
        self, references: Iterable[Sequence[InvoiceName]], rejected: Collection[UUID]
    ) -> list[OpenInvoice]:
        """Return the open invoices that references name, each once."""
        found: dict[UUID, OpenInvoice] = {}
        for readings in references:
            invoices = [self._by_name[name] for name in readings if name in self._by_name]
            for one in invoices:
                if one.id not in rejected:
                    found[one.id] = one
        return list(found.values())

    def _by_payer_and_amount(
        self, entry: BankEntry, rejected: Collection[UUID]
    ) -> list[OpenInvoice]:
        """Return the invoices of the payer with exactly this amount due."""
        key = (normalize_name(entry.payer_name), entry.currency, entry.minor)
        return [
            one
            for one in self._by_payer.get(key, ())
            if one.id not in rejected and self._due[one.id] == entry.minor
        ]

    def _match_one(
        self, entry: BankEntry, invoice: OpenInvoice, by_payer: Sequence[OpenInvoice]
    ) -> Match:
        """Match a transfer that names one open invoice."""
        due = self._due[invoice.id]
        if entry.currency != invoice.currency:
            return _ambiguous(entry, [invoice], Flag.CURRENCY)
        is_payer = _is_payer(entry, invoice)
        is_unlikely = due <= 0 or (entry.minor != due and not is_payer)
        if is_unlikely and len(by_payer) == 1:
            return _proposed(entry, by_payer[0], Flag.WRONG_REFERENCE)
        if due <= 0:
            return _ambiguous(entry, [invoice], Flag.PAID_TWICE)
        flags = [] if is_payer else [Flag.OTHER_PAYER]
        if entry.minor != due:
            flags.append(Flag.PARTIAL if entry.minor < due else Flag.OVERPAID)
        return _proposed(entry, invoice, *flags)

    def _match_several(self, entry: BankEntry, invoices: Sequence[OpenInvoice]) -> Match:
        """Match a transfer that names several open invoices: all of them, or none of them."""
        due = [self._due[one.id] for one in invoices]
        is_same = all(one.currency == entry.currency for one in invoices)
        if not is_same or sum(due) != entry.minor or min(due) <= 0:
            return _ambiguous(entry, invoices)
        parts = tuple(
            Part(one.id, one.account_id, minor) for one, minor in zip(invoices, due, strict=True)
        )
        is_payer = all(_is_payer(entry, one) for one in invoices)
        return Match(LineStatus.PROPOSED, parts, () if is_payer else (Flag.OTHER_PAYER,))

    def _match_payer(
        self, entry: BankEntry, by_payer: Sequence[OpenInvoice], has_reference: bool
    ) -> Match:
        """Match a transfer that names no open invoice, by payer and amount."""
        flag = Flag.WRONG_REFERENCE if has_reference else Flag.NO_REFERENCE
        if len(by_payer) == 1:
            return _proposed(entry, by_payer[0], flag)
        if by_payer:
            return _ambiguous(entry, by_payer, flag)
        return Match(LineStatus.UNMATCHED, flags=(Flag.NOT_OPEN,) if has_reference else ())


def normalize_name(name: str) -> str:
    """Return a firm's name without spaces and punctuation, in one width and case."""
    return _NOT_IN_NAMES.sub("", unicodedata.normalize("NFKC", name).casefold())


def _is_payer(entry: BankEntry, invoice: OpenInvoice) -> bool:
    """Return whether the payer's name is one of the customer's."""
    return normalize_name(entry.payer_name) in invoice.names


def _proposed(entry: BankEntry, invoice: OpenInvoice, *flags: Flag) -> Match:
    """Return the proposal to pay one invoice with all of a transfer."""
    part = Part(invoice.id, invoice.account_id, entry.minor)
    return Match(LineStatus.PROPOSED, (part,), flags)


def _ambiguous(entry: BankEntry, invoices: Sequence[OpenInvoice], *flags: Flag) -> Match:
    """Return the invoices between which a person has to choose."""
    parts = tuple(Part(one.id, one.account_id, entry.minor) for one in invoices)
    return Match(LineStatus.AMBIGUOUS, parts, flags)
