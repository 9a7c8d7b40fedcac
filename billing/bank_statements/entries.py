"""Entries of bank statements, and the hashes by which each entry is stored once. Pure."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class BankEntry:
    """An incoming transfer: `minor` units of the currency, positive.

    `account` is the operator's bank account, `reference` the bank's reference of the entry, empty
    if the statement has none, and `text` the remittance information.
    """

    account: str
    reference: str
    booked_on: date
    minor: int
    currency: str
    payer_name: str = ""
    payer_account: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """The incoming transfers of a file, how many other entries it has, and rows not readable.

    `problems` are pairs of a row or entry number and what is wrong with it.
    """

    entries: Sequence[BankEntry]
    skipped: int
    problems: Sequence[tuple[int, str]]


def hash_entries(entries: Sequence[BankEntry]) -> list[str]:
    """Return a hash for each entry, equal whenever the same entry is read again.

    It is of the bank account and the bank's reference. Entries without a reference are told apart
    by their content; equal ones are numbered within the file, as they are different transfers.
    """
    seen: Counter[str] = Counter()
    hashes = []
    for entry in entries:
        base = _digest(entry.account, entry.reference) if entry.reference else _content(entry)
        if not entry.reference:
            seen[base] += 1
            base = _digest(base, str(seen[base]))
        hashes.append(base)
    return hashes


def _content(entry: BankEntry) -> str:
    """Return the hash of all that a statement says about an entry without a reference."""
    amount = f"{entry.minor} {entry.currency}"
    payer = (entry.payer_name, entry.payer_account)
    return _digest(entry.account, entry.booked_on.isoformat(), amount, *payer, entry.text)


def _digest(*parts: str) -> str:
    """Return the SHA-256 of texts as hexadecimal text."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
