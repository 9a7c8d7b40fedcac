"""Statements as camt.053 (ISO 20022), versions 02 to 08, read without DTDs and entities."""

import re
from collections.abc import Iterator
from datetime import date
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from billing.bank_statements.entries import BankEntry, ParsedStatement
from billing.bank_statements.errors import BankStatementInvalid
from billing.money import minor_from_text

_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.0[2-8]\}Document")
_BOOKED = "BOOK"


def parse_camt053(content: bytes) -> ParsedStatement:
    """Read the incoming transfers of a statement. Raises BankStatementInvalid.

    An entry of several transactions becomes one entry for each that has an amount.
    """
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, LookupError, ValueError) as error:  # of encodings, and of defusedxml
        raise BankStatementInvalid(f"The file is not valid XML: {str(error)[:100]}.") from error
    if _NAMESPACE.fullmatch(root.tag) is None:
        raise BankStatementInvalid("The file is not a camt.053 statement of version 02 to 08.")
    entries: list[BankEntry] = []
    problems: list[tuple[int, str]] = []
    skipped = number = 0
    for statement in root.iterfind("{*}BkToCstmrStmt/{*}Stmt"):
        account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
        for element in statement.iterfind("{*}Ntry"):
            number += 1
            if not _is_incoming(element):
                skipped += 1
                continue
            try:
                entries += _read_entry(account, element)
            except ValueError as error:
                problems.append((number, str(error)))
    return ParsedStatement(entries, skipped, problems)


def _is_incoming(element: Element) -> bool:
    """Return whether an entry is a booked credit and no reversal."""
    status = _text(element, "Sts/Cd") or _text(element, "Sts")
    is_reversal = _text(element, "RvslInd") in ("true", "1")
    return _text(element, "CdtDbtInd") == "CRDT" and status == _BOOKED and not is_reversal


def _read_entry(account: str, element: Element) -> Iterator[BankEntry]:
    """Yield the transfers of an entry. Raises ValueError."""
    booked_on = _read_day(element)
    reference = _text(element, "AcctSvcrRef") or _text(element, "NtryRef")
    details = element.findall("{*}NtryDtls/{*}TxDtls")
    several = [one for one in details if _amount_of(one) is not None] if len(details) > 1 else []
    for at, detail in enumerate(several or [details[0] if details else element], 1):
        amount = _amount_of(detail) if several else element.find("{*}Amt")
        if amount is None:
            raise ValueError("the entry has no amount")
        currency = amount.get("Ccy", "")
        yield BankEntry(
            account=account,
            reference=f"{reference}/{at}" if several and reference else reference,
            booked_on=booked_on,
            minor=minor_from_text((amount.text or "").strip(), currency),
            currency=currency,
            payer_name=_first(detail, "RltdPties/Dbtr/Nm", "RltdPties/Dbtr/Pty/Nm"),
            payer_account=_first(
                detail, "RltdPties/DbtrAcct/Id/IBAN", "RltdPties/DbtrAcct/Id/Othr/Id"
            ),
            text=_remittance(element, detail),
        )


def _amount_of(detail: Element) -> Element | None:
    """Return the amount of one transaction of an entry."""
    own = detail.find("{*}Amt")
    return own if own is not None else detail.find("{*}AmtDtls/{*}TxAmt/{*}Amt")


def _read_day(element: Element) -> date:
    """Return the booking day of an entry. Raises ValueError."""
    text = _first(element, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")
    if not text:
        raise ValueError("the entry has no date")
    return date.fromisoformat(text[:10])


def _remittance(element: Element, detail: Element) -> str:
    """Return all texts in which a payer may state what the transfer is for."""
    free = [one.text or "" for one in detail.iterfind("{*}RmtInf/{*}Ustrd")]
    structured = _text(detail, "RmtInf/Strd/CdtrRefInf/Ref")
    end_to_end = _text(detail, "Refs/EndToEndId")
    further = _text(element, "AddtlNtryInf")
    return " ".join(text.strip() for text in [*free, structured, end_to_end, further] if text)


def _first(element: Element, *paths: str) -> str:
    """Return the first text that is not empty."""
    return next((text for path in paths if (text := _text(element, path))), "")


def _text(element: Element, path: str) -> str:
    """Return the text at a path of tags in any namespace, or empty."""
    found = element.find("/".join(f"{{*}}{tag}" for tag in path.split("/")))
    return "" if found is None else (found.text or "").strip()
