"""Statements as CSV, in UTF-8 or GBK, with the columns that the operator's bank uses."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from billing.bank_statements.amounts import parse_amount, parse_day
from billing.bank_statements.columns import StatementColumns
from billing.bank_statements.entries import BankEntry, ParsedStatement
from billing.bank_statements.errors import BankStatementInvalid

_ENCODINGS = ("utf-8-sig", "gb18030")
_DELIMITERS = (",", ";", "\t", "|")
_MAX_HEADER_ROW = 40
Row = Sequence[str]
Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StatementDefaults:
    """The operator's bank account and the currency, where the file does not say them."""

    account: str = ""
    currency: str = "CNY"


def parse_csv(
    content: bytes, names: StatementColumns, defaults: StatementDefaults
) -> ParsedStatement:
    """Read the incoming transfers of a CSV statement. Raises BankStatementInvalid."""
    rows, header, columns = _find_header(_decode(content), names)
    entries: list[BankEntry] = []
    problems: list[tuple[int, str]] = []
    skipped = 0
    for number, row in islice(enumerate(rows, 1), header + 1, None):
        cells = {field: _join(row, places) for field, places in columns.items()}
        if not cells["day"] or not any(character.isdecimal() for character in cells["day"]):
            continue  # sums and notes below the entries
        try:
            entry = _read_entry(cells, names, defaults)
        except ValueError as error:
            problems.append((number, str(error)))
            continue
        if entry is None:
            skipped += 1
        else:
            entries.append(entry)
    return ParsedStatement(entries, skipped, problems)


def _decode(content: bytes) -> str:
    """Decode the file. Raises BankStatementInvalid."""
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BankStatementInvalid("The file is neither UTF-8 nor GBK text.")


def _find_header(text: str, names: StatementColumns) -> tuple[list[Row], int, dict[str, list[int]]]:
    """Return all rows, the index of the header, and the columns of each field.

    The delimiter is the one with which the header has the most known columns. Raises
    BankStatementInvalid.
    """
    best: tuple[int, list[Row], int, dict[str, list[int]]] | None = None
    for delimiter in _DELIMITERS:
        rows = _read_rows(text, delimiter)
        for at, row in enumerate(rows[:_MAX_HEADER_ROW]):
            columns = _find_columns(row, names)
            is_header = "day" in columns and ("credit" in columns or "amount" in columns)
            if is_header and (best is None or len(columns) > best[0]):
                best = (len(columns), rows, at, columns)
    if best is None:
        raise BankStatementInvalid(
            "No row has the names of a date and an amount column. State them in a column file."
        )
    return best[1:]


def _read_rows(text: str, delimiter: str) -> list[Row]:
    """Return all rows of a CSV text; none if it is no CSV with this delimiter."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:  # such as a field of more than 128 KiB
        return []


def _find_columns(row: Row, names: StatementColumns) -> dict[str, list[int]]:
    """Return the columns of each field that a row names; several only for the text."""
    texts = [cell.strip() for cell in row]
    columns: dict[str, list[int]] = {}
    for field, known in names.columns.items():
        places = [texts.index(name) for name in known if name in texts]
        if places:
            columns[field] = places if field == "text" else places[:1]
    return columns


def _join(row: Row, places: Sequence[int]) -> str:
    """Return the cells of columns, joined by spaces, without the tabs that some banks add."""
    return " ".join(row[at].strip().strip("\t'=\"") for at in places if at < len(row)).strip()


def _read_entry(
    cells: Cells, names: StatementColumns, defaults: StatementDefaults
) -> BankEntry | None:
    """Read a row; None if it is no incoming transfer. Raises ValueError."""
    currency = _read_currency(cells, names, defaults)
    minor = _read_minor(cells, names, currency)
    if minor is None or minor <= 0:
        return None
    return BankEntry(
        account=cells.get("account") or defaults.account,
        reference=cells.get("reference", ""),
        booked_on=parse_day(cells["day"]),
        minor=minor,
        currency=currency,
        payer_name=cells.get("payer", ""),
        payer_account=cells.get("payer_account", ""),
        text=cells.get("text", ""),
    )


def _read_currency(cells: Cells, names: StatementColumns, defaults: StatementDefaults) -> str:
    """Return the ISO 4217 code of a row's currency."""
    text = cells.get("currency", "")
    for code, words in names.words.items():
        if text in words and code.isupper():
            return code
    return text.upper() or defaults.currency


def _read_minor(cells: Cells, names: StatementColumns, currency: str) -> int | None:
    """Return the amount received; None if the row has none. Raises ValueError."""
    if "credit" in cells:
        return parse_amount(cells["credit"], currency) if cells["credit"] else None
    minor = parse_amount(cells["amount"], currency)
    if "direction" in cells and cells["direction"] not in names.words["credit"]:
        return None
    return minor
