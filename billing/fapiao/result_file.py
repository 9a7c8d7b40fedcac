"""Result lists of the tax platform: Excel or CSV, read by the names of their columns.

A row belongs to an order by its serial number, in a column of its own or in the remark, where each
order has it. Rows of other fapiao are skipped.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import python_calamine

from billing.fapiao.errors import FapiaoFileInvalid
from billing.fapiao.provider import IssueResult, ProviderFile
from billing.money import minor_from_text

MAX_RESULT_BYTES = 10 << 20
_MAX_HEADER_ROW = 10
_NUMBER = re.compile(r"\d{20}", re.ASCII)
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_ENCODINGS = ("utf-8-sig", "gb18030")
Names = Mapping[str, Sequence[str]]


def read_result_list(
    names: Names, file: ProviderFile, serials: Sequence[str]
) -> tuple[IssueResult, ...]:
    """Read the results of orders from a list. Raises FapiaoFileInvalid.

    A row that cannot be read becomes a result with a problem that says what is wrong with it.
    """
    if len(file.content) > MAX_RESULT_BYTES:
        raise FapiaoFileInvalid("The result list is too large: the maximum is 10 MiB.")
    rows = _read_rows(file)
    header, columns = _find_header(names, rows)
    known = frozenset(serials)
    results: list[IssueResult] = []
    for number, row in enumerate(rows[header + 1 :], header + 2):
        cells = {field: row[at].strip() for field, at in columns.items() if at < len(row)}
        serial = _find_serial(cells, known)
        if serial is not None:
            results.append(_read_row(number, serial, cells))
    return tuple(results)


def _find_header(names: Names, rows: Sequence[Sequence[str]]) -> tuple[int, dict[str, int]]:
    """Return the index of the header row, and the column of each field that the list has."""
    for at, row in enumerate(rows[:_MAX_HEADER_ROW]):
        texts = [text.strip() for text in row]
        columns = {
            field: texts.index(name)
            for field, known in names.items()
            for name in reversed(known)
            if name in texts
        }
        if "number" in columns and ("serial" in columns or "remark" in columns):
            return at, columns
    needed = " / ".join([names["number"][0], names["serial"][0], names["remark"][0]])
    raise FapiaoFileInvalid(f"The list has no header with the columns it needs: {needed}.")


def _find_serial(cells: Mapping[str, str], known: frozenset[str]) -> str | None:
    """Return the order's serial number of a row, from its column or within the remark."""
    if cells.get("serial") in known:
        return cells["serial"]
    words = re.split(r"[^A-Z0-9]+", cells.get("remark", ""))
    return next((word for word in words if word in known), None)


def _read_row(number: int, serial: str, cells: Mapping[str, str]) -> IssueResult:
    """Read the row of an order."""
    if error := cells.get("error"):
        return IssueResult(number, serial, error=error)
    if _NUMBER.fullmatch(cells["number"]) is None:
        return _unreadable(number, serial, "the fapiao number does not have 20 digits")
    issued_on = _parse_day(cells.get("day", ""))
    if issued_on is None:
        return _unreadable(number, serial, "the date is missing or not a date")
    try:
        total = minor_from_text(cells.get("total", "").replace(",", "").lstrip("-¥￥"), "CNY")
    except ValueError:
        return _unreadable(number, serial, "the total is missing or not an amount")
    return IssueResult(number, serial, cells["number"], issued_on, total)


def _unreadable(number: int, serial: str, reason: str) -> IssueResult:
    """Return the result of a row that cannot be read: neither a fapiao nor a refusal."""
    return IssueResult(number, serial, problem=reason)


def _parse_day(text: str) -> date | None:
    """Parse a date such as `2026-11-03` or `2026/11/3 10:20`; None if it is invalid."""
    found = _DAY.match(text)
    if found is None:
        return None
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


def _read_rows(file: ProviderFile) -> list[list[str]]:
    """Read all rows of the first sheet, or of a CSV file, as texts. Raises FapiaoFileInvalid."""
    if file.content.startswith(b"PK\x03\x04") or file.content.startswith(b"\xd0\xcf\x11\xe0"):
        return _read_workbook(file.content)
    for encoding in _ENCODINGS:
        try:
            text = file.content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return _read_csv(text)
    raise FapiaoFileInvalid("The result list is neither an Excel workbook nor CSV.")


def _read_csv(text: str) -> list[list[str]]:
    """Read a CSV text. Raises FapiaoFileInvalid."""
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:  # such as a field of more than 128 KiB
        raise FapiaoFileInvalid("The result list is not valid CSV.") from error


def _read_workbook(content: bytes) -> list[list[str]]:
    """Read the first sheet of a workbook as texts. Raises FapiaoFileInvalid."""
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, IndexError) as error:
        raise FapiaoFileInvalid("The result list is not a readable Excel workbook.") from error
    return [[_cell_text(cell) for cell in row] for row in rows]


def _cell_text(cell: object) -> str:
    """Return a cell as text: days in ISO 8601, amounts with at most two places."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, float):
        return f"{cell:.2f}".removesuffix(".00")
    return str(cell)
