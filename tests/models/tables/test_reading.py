"""Tables of customers' files: dialects, encodings, headers, workbooks."""

import io
import json
import time
import zipfile
from string import ascii_uppercase
from typing import Any

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.tables.reading import MAX_COLUMNS, detect_delimiter, read_table
from models.tables.table import RawTable
from tests.support.models.workbooks import old_workbook
from tests.support.nightly import nightly


def cells(table: RawTable) -> dict[str, list[Any]]:
    return {
        column.name: (column.texts if column.numbers is None else column.numbers).tolist()  # type: ignore[union-attr]
        for column in table.columns
    }


def codes(content: bytes) -> set[str]:
    with pytest.raises(TrainingFileInvalid) as caught:
        read_table(content)
    return {problem.code for problem in caught.value.problems.shown}


def workbook(rows: list[list[Any]], merged: str = "", far: str = "") -> bytes:
    """A minimal xlsx with inline texts and numbers. `far` is the place of one more blank cell."""

    def cell(row: int, column: int, value: Any) -> str:
        place = f"{chr(65 + column)}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    body = "".join(
        f'<row r="{number}">'
        + "".join(cell(number, at, value) for at, value in enumerate(row) if value is not None)
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    if far:
        number = far.lstrip(ascii_uppercase)
        body += f'<row r="{number}"><c r="{far}" t="inlineStr"><is><t> </t></is></c></row>'
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    merges = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    files = {
        "[Content_Types].xml": f'<Types xmlns="{types}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{spreadsheet}.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" '
        f'ContentType="{spreadsheet}.worksheet+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{relations}"><sheets>'
        '<sheet name="Data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{space}"><sheetData>{body}</sheetData>'
        f"{merges}</worksheet>",
    }
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return output.getvalue()


class TestCsv:
    def test_numbers_and_texts_are_told_apart(self) -> None:
        table = read_table(b"a,b\n1,x\n2.5,\n,z\n")
        found = cells(table)
        assert found["b"] == ["x", "", "z"]
        assert found["a"][:2] == [1.0, 2.5]
        assert np.isnan(found["a"][2])
        assert table.row_numbers.tolist() == [2, 3, 4]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiter_is_found(self, delimiter: str) -> None:
        lines = [delimiter.join(row) for row in (["time", "p"], ["1", "2"], ["3", "4"])]
        assert cells(read_table("\n".join(lines).encode())) == {"time": [1, 3], "p": [2, 4]}

    def test_semicolons_win_over_decimal_commas(self) -> None:
        assert detect_delimiter(["t;p;q", "1,5;2,5;3,5", "1,6;2,6;3,6"]) == ";"
        assert detect_delimiter(["t;p", "1,5;2,5", "1,6;2,6"]) == ";"

    def test_single_column_is_a_table(self) -> None:
        assert cells(read_table(b"p\n1\n2\n")) == {"p": [1, 2]}

    def test_quoted_cells_may_contain_delimiters_and_line_breaks(self) -> None:
        table = read_table(b'name,note\n"a, b","x\ny"\nc,d\n')
        assert cells(table) == {"name": ["a, b", "c"], "note": ["x\ny", "d"]}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
    def test_chinese_headers_are_read_in_each_encoding(self, encoding: str) -> None:
        table = read_table("温度,压力\n80,1.2\n".encode(encoding))
        assert cells(table) == {"温度": [80], "压力": [1.2]}

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
    def test_byte_order_mark_is_no_part_of_the_first_name(self, encoding: str) -> None:
        mark = "" if encoding == "utf-8-sig" else "\ufeff"
        table = read_table(f'{mark}"温度",结果\n80,合格\n'.encode(encoding))
        assert cells(table) == {"温度": [80], "结果": ["合格"]}

    def test_characters_without_width_are_no_part_of_names(self) -> None:
        assert read_table("temp\u200b,\u2060p\n1,2\n".encode()).names == ("temp", "p")

    def test_title_rows_above_the_header_are_left_out(self) -> None:
        table = read_table(b"Line 3 export\n2026-11-29\n\nt,p\n1,2\n")
        assert cells(table) == {"t": [1], "p": [2]}
        assert "2 rows above the header were left out." in table.notes

    def test_unit_row_below_the_header_is_read(self) -> None:
        table = read_table("time,temp,speed\n,°C,rpm\n1,80,1500\n".encode())
        assert dict(table.units) == {"temp": "°C", "speed": "rpm"}
        assert cells(table)["temp"] == [80]

    @pytest.mark.parametrize("missing", ["N/A", "NA", "-", "none", "#N/A"])
    def test_first_row_of_missing_values_only_is_no_unit_row(self, missing: str) -> None:
        table = read_table(f"temp,speed\n{missing},{missing}\n80,1500\n".encode())
        assert (dict(table.units), table.row_numbers.tolist()) == ({}, [2, 3])
        assert cells(table)["temp"] == [missing, "80"]

    @pytest.mark.parametrize("missing", ["N/A", "NA", "-", "none", "#N/A"])
    def test_unit_row_with_a_missing_unit_is_read(self, missing: str) -> None:
        table = read_table(f"temp,count\n°C,{missing}\n80,7\n".encode())
        assert (dict(table.units), table.row_numbers.tolist()) == ({"temp": "°C"}, [3])

    def test_row_of_one_and_a_class_that_is_a_unit_elsewhere_is_no_unit_row(self) -> None:
        table = read_table(b"machine,grade\n1,A\n2,B\n")
        assert cells(table) == {"machine": [1, 2], "grade": ["A", "B"]}

    def test_empty_rows_and_columns_beside_the_table_are_left_out(self) -> None:
        table = read_table(b"a,b,,\n1,2,,\n,,,\n3,4,,\n")
        assert cells(table) == {"a": [1, 3], "b": [2, 4]}

    def test_identifiers_with_underscores_are_texts(self) -> None:
        assert cells(read_table(b"machine,t\n1_12,1\n11_2,2\n"))["machine"] == ["1_12", "11_2"]

    def test_codes_are_as_written_in_all_parts_of_a_column_of_texts(self) -> None:
        rows = ["01", "1"] * 3_000 + ["A1", "01"]
        table = read_table(("code,t\n" + "".join(f"{code},1\n" for code in rows)).encode())
        assert cells(table)["code"] == rows

    @pytest.mark.parametrize(
        "codes", [["007", "12", "7"], ["1234567890123456", "1234567890123457"], ["7", "12"]]
    )
    def test_numbers_that_are_perhaps_names_keep_their_digits(self, codes: list[str]) -> None:
        (column,) = read_table(("code\n" + "\n".join(codes) + "\n").encode()).columns
        assert column.numbers is not None
        assert column.numbers.tolist() == [float(code) for code in codes]
        assert column.as_texts().tolist() == codes

    @nightly
    def test_hundred_thousand_rows_are_read_in_seconds(self) -> None:
        row = ",".join(f"{value}.5" for value in range(20))
        content = (",".join(f"c{at}" for at in range(20)) + "\n" + f"{row}\n" * 20_000).encode()
        started = time.process_time()
        assert len(read_table(content)) == 20_000
        assert time.process_time() - started < 10


class TestInvalidCsv:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_file"),
            (b"\n\n", "empty_file"),
            (b"1,2\n3,4\n", "no_header"),
            (b"a,a\n1,2\n", "duplicate_header"),
            (b"a,,c\n1,2,3\n", "missing_header"),
            (b"a,b\n1,2,3\n", "too_many_cells"),
            (b"a," + b"b" * 65 + b"\n1,2\n", "invalid_name"),
            (b'a,b\n1,"' + b"x" * 200_000, "invalid_csv"),
            (b'a,b\n1,2\n3,"4\n5,6\n7,8\n', "invalid_csv"),
            (b'a,b\n1,"2', "invalid_csv"),
            (b"a,b\n1," + b"x" * 20_000 + b"\n", "cell_too_long"),
            (b"\xff\xfe\x00", "encoding"),
        ],
    )
    def test_problem_is_named(self, content: bytes, code: str) -> None:
        assert code in codes(content)

    def test_too_many_columns_are_rejected(self) -> None:
        names = ",".join(f"c{at}" for at in range(MAX_COLUMNS + 1))
        assert codes(f"{names}\n{names}\n".encode()) == {"too_many_columns"}

    def test_ten_million_rows_are_rejected_before_they_are_read(self) -> None:
        content = b"a\n" + b"1\n" * 10_000_000
        started = time.process_time()
        assert codes(content) == {"too_many_rows"}
        assert time.process_time() - started < 1

    def test_too_many_rows_are_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("models.tables.reading.MAX_ROWS", 2)
        assert codes(b"a\n1\n2\n3\n") == {"too_many_rows"}
        assert codes(b'{"a": 1}\n{"a": 2}\n{"a": 3}\n') == {"too_many_rows"}


class TestJsonLines:
    def test_columns_are_the_union_of_the_objects(self) -> None:
        found = cells(read_table(b'{"a": 1}\n{"a": 2, "b": "x"}\n{"b": null, "a": true}\n'))
        assert found["b"] == ["", "x", ""]
        assert found["a"] == ["1", "2", "true"]

    def test_columns_have_the_order_of_the_file(self) -> None:
        names = [f"{name}{at}" for at in range(9) for name in ("speed", "grade", "scrap")]
        row = json.dumps(dict.fromkeys(names, 1))
        assert read_table(f"{row}\n{row}\n".encode()).names == tuple(names)

    def test_line_separator_within_a_text_is_no_line_break(self) -> None:
        text = '{"a": 1, "note": "x\u2028y"}\r\n{"a": 2, "note": "z"}'
        assert cells(read_table(text.encode()))["note"] == ["x\u2028y", "z"]

    def test_words_for_no_number_are_missing(self) -> None:
        found = cells(read_table(b'{"a": NaN}\n{"a": -Infinity}\n{"a": 2}\n'))["a"]
        assert np.isnan(found).tolist() == [True, True, False]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b'{"a": 1}\n{"a": \n', "invalid_json"),
            (b'{"a": 1' + b"0" * 400 + b"}\n", "invalid_json"),
            (b'{"a": 1e400}\n', "invalid_json"),
            (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "invalid_json"),
            (b'{"": 1}\n', "missing_header"),
            (b'{"' + b"x" * 65 + b'": 1}\n', "invalid_name"),
            (b'{"a\\nb": 1}\n', "invalid_name"),
            (b'{"a": 1}\n[1]\n', "wrong_form"),
            (b'{"a": [1]}\n', "wrong_type"),
        ],
    )
    def test_invalid_line_is_named(self, content: bytes, code: str) -> None:
        assert codes(content) == {code}


@pytest.mark.usefixtures("processes")
class TestWorkbooks:
    def test_first_sheet_is_read(self) -> None:
        table = read_table(workbook([["machine", "temp"], ["M1", 80], ["M2", 81.5]]))
        assert cells(table) == {"machine": ["M1", "M2"], "temp": [80, 81.5]}

    def test_merged_cells_repeat_their_value(self) -> None:
        rows = [["machine", "temp"], ["M1", 80], [None, 81]]
        assert cells(read_table(workbook(rows, "A2:A3")))["machine"] == ["M1", "M1"]

    def test_title_over_merged_cells_is_left_out(self) -> None:
        rows = [["Line 3", None, None], ["machine", "temp", "p"], ["M1", 80, 2]]
        table = read_table(workbook(rows, "A1:C1"))
        assert cells(table) == {"machine": ["M1"], "temp": [80], "p": [2]}
        assert table.notes == ("1 rows above the header were left out.",)

    def test_damaged_workbook_is_named(self) -> None:
        assert codes(b"PK\x03\x04 no workbook") == {"invalid_workbook"}

    def test_workbook_that_unpacks_to_gigabytes_is_rejected(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("models.tables.workbooks._MAX_UNPACKED_BYTES", 100)
        assert "file_too_large" in codes(workbook([["a"], [1]]))

    def test_blank_cell_in_the_last_corner_is_a_problem_and_does_not_end_the_process(self) -> None:
        rows = [["t", "fault"], *([at, at % 2] for at in range(60))]
        assert codes(workbook(rows, far="XFD1048576")) == {"file_too_large"}
        assert codes(old_workbook({(0, 0): 1.0, (65_535, 65_535): 2.0})) == {"file_too_large"}

    def test_blank_cell_some_rows_below_the_table_changes_nothing(self) -> None:
        table = read_table(workbook([["t", "p"], [1, 2]], far="AB400"))
        assert cells(table) == {"t": [1], "p": [2]}

    def test_table_that_begins_in_another_column_keeps_its_columns(self) -> None:
        table = read_table(workbook([[None, "t", "p"], [None, 1, 2], [None, None, 3]], "B2:B3"))
        assert cells(table) == {"t": [1, 1], "p": [2, 3]}
        assert table.row_numbers.tolist() == [2, 3]

    def test_workbook_of_old_excel_is_read(self) -> None:
        assert codes(old_workbook({(0, 0): 1.0, (1, 1): 2.0})) == {"no_header"}
