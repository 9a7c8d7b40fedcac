"""Text extraction from supported file types, and rejected files."""

import io

import pytest
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

from gateway.retrieval.extractors import (
    Document,
    FileUnreadable,
    FileUnsupported,
    extract_text,
    require_supported,
)


def pdf(*pages: str) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for page in pages:
        canvas.drawString(72, 700, page)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


class TestTextExtraction:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
    def test_utf_and_gb_18030_encodings_are_decoded(self, encoding: str) -> None:
        content = "主轴轴承过热\r\n检查润滑".encode(encoding)
        assert extract_text("a.txt", content) == Document("主轴轴承过热\n检查润滑")

    def test_markdown_headings_are_extracted(self) -> None:
        document = extract_text("A.MD", b"# One #\ntext\n## Two\nmore")
        assert document.headings == ((0, "One"), (13, "Two"))

    def test_csv_rows_become_lines_with_the_header_as_heading(self) -> None:
        document = extract_text(
            "a.csv", '代码;含义\nF1;过流\n;\nF2;"多行\n文本"\n'.encode("gb18030")
        )
        assert document.text == "代码 | 含义\nF1 | 过流\nF2 | 多行 文本"
        assert document.headings == ((0, "代码 | 含义"),)

    def test_json_lines_become_key_value_text(self) -> None:
        line = b'{"code": "F1", "seen": [1, 2.5], "why": {"deep": null}, "ok": true}\n\n'
        assert extract_text("a.jsonl", line).text == "code: F1; seen: 1, 2.5; why: deep: ; ok: True"

    def test_pdf_text_is_extracted(self) -> None:
        text = extract_text("a.pdf", pdf("Fault F30001", "Grease 6205-2RS")).text
        assert text.split() == ["Fault", "F30001", "Grease", "6205-2RS"]


class TestFileRejection:
    @pytest.mark.parametrize("name", ["a.doc", "a", "a.pdf.exe", ".txt"])
    def test_unsupported_extension_is_rejected(self, name: str) -> None:
        with pytest.raises(FileUnsupported, match=r"\.csv, \.docx, \.jpeg, \.jpg, \.jsonl, \.log"):
            require_supported(name)

    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            ("a.txt", b" \n\t", "contains no text"),
            ("a.txt", b"\xff\xfe\x00", "not text in UTF-8"),
            ("a.txt", b"\x89PNG\x00\x00", "not text in UTF-8"),
            ("a.jsonl", b'{"a": 1}\n{"a": \n', "Line 2"),
            ("a.jsonl", b"[" * 100_000, "Line 1"),
            ("a.csv", b"", "contains no text"),
            ("a.pdf", b"%PDF-1.4 rubbish", "damaged or encrypted"),
            ("a.pdf", b"", "damaged or encrypted"),
        ],
    )
    def test_empty_or_damaged_file_is_rejected(self, name: str, content: bytes, why: str) -> None:
        with pytest.raises(FileUnreadable, match=why):
            extract_text(name, content)

    def test_blank_or_encrypted_pdf_is_rejected(self) -> None:
        with pytest.raises(FileUnreadable, match="none was recognised"):
            extract_text("a.pdf", pdf(""))
        writer, file = PdfWriter(), io.BytesIO()
        writer.add_blank_page(100, 100)
        writer.encrypt("secret", algorithm="RC4-128")
        writer.write(file)
        with pytest.raises(FileUnreadable):
            extract_text("a.pdf", file.getvalue())
