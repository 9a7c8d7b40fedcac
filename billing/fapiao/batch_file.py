"""The fapiao provider by files: the tax platform's workbook for batches, and its result list.

The operator may give the workbook that the platform offers for download, which is then filled in by
column names: the platform refuses workbooks of an outdated version.
"""

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

from openpyxl import Workbook, load_workbook

from billing.fapiao.errors import FapiaoFileInvalid
from billing.fapiao.layout import FileLayout, SheetLayout
from billing.fapiao.lines import FapiaoLine
from billing.fapiao.provider import IssueOrder, IssueResult, ProviderFile, RedLetterOrder
from billing.fapiao.result_file import read_result_list
from billing.fapiao.title_fields import TitleFields
from billing.money import PPM, minor_text
from billing.rating.taxes import Tax, TaxTreatment

BLUE_FILE, RED_FILE = "fapiao.xlsx", "red-letters.xlsx"
_MAX_HEADER_ROW = 10
_CURRENCY = "CNY"


@dataclass(frozen=True, slots=True)
class BatchFileProvider:
    """A FapiaoProvider by files.

    `template` is the platform's own workbook, or None for the built-in columns; `result` the
    uploaded result list with its file name, for `query`.
    """

    layout: FileLayout
    template: bytes | None = None
    result: ProviderFile | None = None

    async def issue(self, orders: Sequence[IssueOrder]) -> Sequence[ProviderFile]:
        """Write the workbook for issuing in batches. Raises FapiaoFileInvalid for the template."""
        # A thousand fapiao take 0.2 s, which would block the event loop.
        return await asyncio.to_thread(self._write_blue, orders)

    async def red_letter(self, orders: Sequence[RedLetterOrder]) -> Sequence[ProviderFile]:
        """Write the list by which confirmation forms of red letters are entered."""
        return await asyncio.to_thread(self._write_red, orders)

    async def query(self, serials: Sequence[str]) -> Sequence[IssueResult]:
        """Read the uploaded result list. Raises FapiaoFileInvalid."""
        if self.result is None:
            return ()
        return await asyncio.to_thread(read_result_list, self.layout.result, self.result, serials)

    def _write_blue(self, orders: Sequence[IssueOrder]) -> Sequence[ProviderFile]:
        """Return the workbook for batches; none without orders."""
        if not orders:
            return ()
        sheets = (self.layout.head, self.layout.lines)
        workbook = _new_workbook(*sheets) if self.template is None else _open(self.template)
        heads = [_head_values(self.layout.words, order) for order in orders]
        lines = [_line_values(self.layout.words, order, line) for order, line in _lines_of(orders)]
        _fill_sheet(workbook, self.layout.head, heads)
        _fill_sheet(workbook, self.layout.lines, lines)
        return (_save(workbook, BLUE_FILE),)

    def _write_red(self, orders: Sequence[RedLetterOrder]) -> Sequence[ProviderFile]:
        """Return the list of red letters; none without orders."""
        if not orders:
            return ()
        workbook = _new_workbook(self.layout.red)
        words = self.layout.words
        rows = [_red_values(words, red, line) for red in orders for line in red.order.lines]
        _fill_sheet(workbook, self.layout.red, rows)
        return (_save(workbook, RED_FILE),)


def _lines_of(orders: Sequence[IssueOrder]) -> list[tuple[IssueOrder, FapiaoLine]]:
    """Return each line with its order."""
    return [(order, line) for order in orders for line in order.lines]


def _head_values(words: Mapping[str, str], order: IssueOrder) -> dict[str, str]:
    """Return the cells of a fapiao by field."""
    title = order.title
    return {
        "serial": order.serial,
        "kind": words[title.kind],
        "inclusive": words["yes"],
        "natural_person": words["yes"] if title.is_natural_person else words["no"],
        "name": title.name,
        "tax_number": title.tax_number,
        "address": title.address,
        "phone": title.phone,
        "bank_name": title.bank_name,
        "bank_account": title.bank_account,
        "shown": _shown(words, title),
        "remark": order.remark,
        "email": title.email,
    }


def _shown(words: Mapping[str, str], title: TitleFields) -> str:
    """Return which of the buyer's address and bank the fapiao shows; empty for none."""
    has_address, has_bank = bool(title.address or title.phone), bool(title.bank_account)
    if has_address and has_bank:
        return words["both"]
    return words["address"] if has_address else words["bank"] if has_bank else ""


def _line_values(words: Mapping[str, str], order: IssueOrder, line: FapiaoLine) -> dict[str, str]:
    """Return the cells of a line by field."""
    is_exempt = order.tax.treatment is TaxTreatment.EXEMPT
    return {
        "serial": order.serial,
        "item": line.item,
        "code": line.code,
        "amount": minor_text(line.total, _CURRENCY),
        "rate": format_rate(order.tax),
        "policy": words["yes"] if is_exempt else words["no"],
        "policy_kind": words["exempt_policy"] if is_exempt else "",
    }


def _red_values(words: Mapping[str, str], red: RedLetterOrder, line: FapiaoLine) -> dict[str, str]:
    """Return the cells of a line of a red letter by field; its amounts are negative."""
    return {
        "serial": red.order.serial,
        "original": red.original_number,
        "original_day": red.original_day.isoformat(),
        "reason": words[red.reason],
        "name": red.order.title.name,
        "tax_number": red.order.title.tax_number,
        "item": line.item,
        "code": line.code,
        "net": minor_text(-line.net, _CURRENCY),
        "rate": format_rate(red.order.tax),
        "tax": minor_text(-line.tax, _CURRENCY),
        "total": minor_text(-line.total, _CURRENCY),
    }


def format_rate(tax: Tax) -> str:
    """Format the rate that applies as the platform wants it: 6 % is `0.06`."""
    whole, part = divmod(tax.applied_ppm, PPM)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")


def _open(content: bytes) -> Any:
    """Open the platform's workbook. Raises FapiaoFileInvalid."""
    try:
        return load_workbook(io.BytesIO(content))
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise FapiaoFileInvalid("The template is not an Excel workbook (.xlsx).") from error


def _new_workbook(*layouts: SheetLayout) -> Any:
    """Return a workbook with the sheets, each with its note and header."""
    workbook = Workbook()
    workbook.remove(workbook["Sheet"])
    for layout in layouts:
        sheet = workbook.create_sheet(layout.sheet)
        sheet.append([layout.note])
        sheet.append(list(layout.columns.values()))
    return workbook


def _fill_sheet(workbook: Any, layout: SheetLayout, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows below the sheet's header. Raises FapiaoFileInvalid if there is none.

    All cells are text, so that long numbers keep their digits.
    """
    if layout.sheet not in workbook.sheetnames:
        raise FapiaoFileInvalid(f"The template has no sheet {layout.sheet!r}.")
    sheet = workbook[layout.sheet]
    header = _header_row(sheet, layout)
    columns = {str(cell.value).strip(): cell.column for cell in sheet[header] if cell.value}
    for number, values in enumerate(rows, header + 1):
        for field, value in values.items():
            column = columns.get(layout.columns[field])
            if column is not None and value:
                cell = sheet.cell(number, column, value)
                # As a text, also if it begins like a formula.
                cell.data_type, cell.number_format = "s", "@"


def _header_row(sheet: Any, layout: SheetLayout) -> int:
    """Return the number of the row with the column names. Raises FapiaoFileInvalid."""
    serial = layout.columns["serial"]
    for row in sheet.iter_rows(max_row=_MAX_HEADER_ROW):
        if any(str(cell.value or "").strip() == serial for cell in row):
            return int(row[0].row)
    raise FapiaoFileInvalid(f"The sheet {layout.sheet!r} has no column {serial!r}.")


def _save(workbook: Any, name: str) -> ProviderFile:
    """Return the workbook as a file."""
    stream = io.BytesIO()
    workbook.save(stream)
    return ProviderFile(name, stream.getvalue())
