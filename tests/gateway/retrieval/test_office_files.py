"""Word and Excel files: text, headings, tables, merged cells, and files that are not read."""

import io
import zipfile
from datetime import date
from typing import Any

import docx
import openpyxl
import pytest

from gateway.retrieval import office_files
from gateway.retrieval.extractors import FileUnreadable, extract_text


def word(document: Any) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def excel(workbook: Any) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def sheet_of(*rows: list[Any]) -> tuple[Any, Any]:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in rows:
        sheet.append(row)
    return workbook, sheet


class TestWord:
    def test_paragraphs_keep_their_headings(self) -> None:
        document = docx.Document()
        document.add_paragraph("Preface")
        document.add_heading("Seals", 1)
        document.add_paragraph("机械密封\t需要 0.5 MPa")
        document.add_heading("Bearings", 2)
        read = extract_text("A.DOCX", word(document))
        assert read.text == "Preface\nSeals\n机械密封 需要 0.5 MPa\nBearings"
        assert read.headings == ((8, "Seals"), (read.text.index("Bearings"), "Bearings"))

    def test_table_rows_become_lines_with_merged_cells_repeated(self) -> None:
        document = docx.Document()
        table = document.add_table(rows=3, cols=3)
        for row, texts in enumerate(
            (("Pump", "Part", "Hours"), ("P1", "seal", "9"), ("", "b", "8"))
        ):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(1, 0).merge(table.cell(2, 0)).text = "P1"
        table.cell(0, 1).merge(table.cell(0, 2)).text = "Wear"
        lines = extract_text("a.docx", word(document)).text.splitlines()
        assert lines == ["Pump | Wear", "P1 | seal | 9", "P1 | b | 8"]


class TestExcel:
    def test_rows_become_lines_under_sheet_and_header(self) -> None:
        workbook, sheet = sheet_of(["代码", "含义"], ["F1", "过流\n电机"], [], ["F2", 2.0])
        sheet.title = "故障"
        sheet.append([date(2026, 11, 30), 1.5, True])
        read = extract_text("a.xlsx", excel(workbook))
        assert read.text == "代码 | 含义\nF1 | 过流 电机\nF2 | 2\n2026-11-30 | 1.5 | True"
        assert read.headings == ((0, "故障: 代码 | 含义"),)

    def test_merged_cells_show_their_value_in_every_row(self) -> None:
        workbook, sheet = sheet_of(["Line", "Part"], ["L3", "seal"], [None, "bearing"])
        sheet.merge_cells("A2:A3")
        lines = extract_text("a.xlsx", excel(workbook)).text.splitlines()
        assert lines == ["Line | Part", "L3 | seal", "L3 | bearing"]

    def test_hidden_sheets_are_not_read_and_each_visible_one_has_a_heading(self) -> None:
        workbook, sheet = sheet_of(["a"], ["b"])
        sheet.title = "One"
        hidden = workbook.create_sheet("Secret")
        hidden.append(["salary"])
        hidden.sheet_state = "hidden"
        workbook.create_sheet("Two").append(["c"])
        read = extract_text("a.xlsm", excel(workbook))
        assert read.text == "a\nb\nc"
        assert read.headings == ((0, "One: a"), (4, "Two: c"))

    def test_far_away_cell_is_read_without_the_rows_between(self) -> None:
        workbook, sheet = sheet_of(["a"])
        sheet["A200000"] = "z"
        assert extract_text("a.xlsx", excel(workbook)).text == "a\nz"

    def test_row_beyond_the_last_one_of_excel_is_rejected(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(office_files, "_LAST_ROW", 9)
        workbook, sheet = sheet_of(["a"])
        sheet["A10"] = "z"
        with pytest.raises(FileUnreadable, match="a row beyond 9"):
            extract_text("a.xlsx", excel(workbook))

    def test_too_many_rows_or_columns_are_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(office_files, "_MAX_ROWS", 2)
        monkeypatch.setattr(office_files, "_MAX_COLUMNS", 3)
        for rows in ([["a"], ["b"], ["c"]], [["a", "b", "c", "d"]]):
            with pytest.raises(FileUnreadable, match="2 rows or 3 columns"):
                extract_text("a.xlsx", excel(sheet_of(*rows)[0]))
        assert extract_text("a.xlsx", excel(sheet_of(["a", "b", "c"], ["d"])[0])).text


class TestRejection:
    @pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
    @pytest.mark.parametrize(
        "content", [b"", b"rubbish", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600]
    )
    def test_file_that_is_no_archive_is_rejected(self, name: str, content: bytes) -> None:
        with pytest.raises(FileUnreadable, match="damaged, encrypted, or saved"):
            extract_text(name, content)

    @pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
    def test_archive_of_something_else_is_rejected(self, name: str) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("hello.txt", "hello")
        with pytest.raises(FileUnreadable, match="damaged or encrypted"):
            extract_text(name, file.getvalue())

    def test_archive_bomb_is_rejected_before_it_is_unpacked(self) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("word/document.xml", b"0" * (129 << 20))
        assert len(file.getvalue()) < 1 << 20
        for name in ("a.docx", "a.xlsx"):
            with pytest.raises(FileUnreadable, match="128 MiB when unpacked"):
                extract_text(name, file.getvalue())

    def test_entities_are_not_expanded(self) -> None:
        source, file = io.BytesIO(word(docx.Document())), io.BytesIO()
        entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        body = b"<w:p><w:r><w:t>seen &e;</w:t></w:r></w:p>"
        with zipfile.ZipFile(source) as original, zipfile.ZipFile(file, "w") as changed:
            for part in original.infolist():
                text = original.read(part)
                if part.filename == "word/document.xml":
                    head, _, rest = text.partition(b"<w:document")
                    opening, _, tail = rest.partition(b"<w:body>")
                    text = head + entity + b"<w:document" + opening + b"<w:body>" + body + tail
                changed.writestr(part, text)
        assert extract_text("a.docx", file.getvalue()).text == "seen"

    def test_empty_workbook_contains_no_text(self) -> None:
        with pytest.raises(FileUnreadable, match="contains no text"):
            extract_text("a.xlsx", excel(openpyxl.Workbook()))
