"""Invoices as PDF: text, page breaks, and conformance with PDF/A-2a and PDF/UA-1."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from billing.accounts.parties import Party
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.pdf import render_invoice_pdf
from billing.invoice_documents.rendering.typesetting import render_with_files
from billing.invoice_documents.tag_breakdown import (
    TagBreakdown,
    TagLineShare,
    TagShare,
    TagShareKind,
)
from billing.invoice_documents.values import DocumentCreditNote
from billing.invoices.balances import InvoiceBalance
from infra import ids
from tests.billing.invoice_documents.sample_invoice import INVOICE, USAGE
from tests.support.billing.pdf_reading import pages
from tests.support.nightly import at_length

NOTE = DocumentCreditNote(
    ids.new_id(), "MAAS-CN-000001", date(2026, 11, 2), "重复计费", 9, 1, 10, 0, 0
)
TAG = TagBreakdown(
    "order",
    (
        TagShare(TagShareKind.VALUE, "订单 A-17", 1, (TagLineShare(1, 400_000, 30),)),
        TagShare(TagShareKind.OTHERS, "", 12, (TagLineShare(1, 60_000, 5),)),
        TagShare(TagShareKind.UNTAGGED, "", 0, (TagLineShare(1, 40_000, 3),)),
    ),
)


def text(document: InvoiceDocument) -> str:
    return "\n".join(pages(render_invoice_pdf(document)))


def with_lines(count: int) -> InvoiceDocument:
    lines = tuple(replace(USAGE, number=number) for number in range(1, count + 1))
    return replace(INVOICE, lines=lines)


def fonts(content: bytes) -> Iterator[Any]:
    for page in PdfReader(io.BytesIO(content)).pages:
        yield from (one.get_object() for one in page["/Resources"]["/Font"].values())


class TestPdfText:
    def test_chinese_invoice_shows_chinese_and_latin_text(self) -> None:
        shown = text(INVOICE)
        for part in (
            "账单 MAAS-000012",
            "Acme 精密",
            "浦东新区",
            "bill@acme.cn",
            "税号 9111",
            "llm：输出 token",
        ):
            assert part in shown
        assert "310.00 × 11/31" in shown
        assert "第 1 页，共 1 页" in shown

    def test_english_invoice_shows_english_text(self) -> None:
        shown = text(replace(INVOICE, locale="en"))
        assert "Please transfer 117.00 CNY by 2026-12-01 and quote MAAS-000012." in shown
        assert "Page 1 of 1" in shown

    def test_repeated_rendering_returns_same_bytes(self) -> None:
        assert render_invoice_pdf(INVOICE) == render_invoice_pdf(INVOICE)

    def test_payments_credits_and_amount_owed_are_shown(self) -> None:
        balance = InvoiceBalance(paid=50_00, credited=10, written_off=5, owed=66_85)
        shown = text(replace(INVOICE, balance=balance, notes=(NOTE,)))
        for part in ("-50.00 CNY", "-0.10 CNY", "-0.05 CNY", "66.85 CNY", "重复计费"):
            assert part in shown

    def test_preview_shows_no_amount_due(self) -> None:
        preview = replace(INVOICE, id=None, number=None, status="preview", issued_on=None)
        shown = text(replace(preview, due_on=None, balance=InvoiceBalance()))
        assert "账单 预览" in shown
        assert "应付" not in shown

    def test_tags_are_on_a_separate_page(self) -> None:
        first, second = pages(render_invoice_pdf(replace(INVOICE, tags=(TAG,))))
        assert "第 1 页，共 2 页" in first
        for shown in ("订单 A-17", "其他 12 个取值", "无此标签", "0.38", "第 2 页，共 2 页"):
            assert shown in second

    @pytest.mark.parametrize("locale", at_length(["zh", "en"], ["zh"]))
    def test_very_long_texts_are_rendered_without_error(self, locale: str) -> None:
        """Long free text of customers fills several pages, but never causes an error."""
        party = Party("很长的名字" * 100, "x\n" * 250, "W" * 500)
        line = replace(
            USAGE, description="very-long-model-name" * 40, price_text="0.01 up to 1,000; " * 50
        )
        value = TagShare(TagShareKind.VALUE, "W" * 128, 1, (TagLineShare(1, 1, 1),))
        document = replace(
            INVOICE,
            locale=locale,
            seller=party,
            buyer=party,
            lines=tuple(replace(line, number=number) for number in range(1, 60)),
            tags=tuple(TagBreakdown(f"tag_{at}", (value,) * 60) for at in range(5)),
        )
        assert len(pages(render_invoice_pdf(document))) > 10

    def test_customer_text_is_not_interpreted_as_markup(self) -> None:
        name = '<b>#panic("x")</b> $x$ *Müller* & 子 \\ "[link](x)" @a'
        assert name in text(replace(INVOICE, buyer=Party(name, "", "")))

    @pytest.mark.parametrize(
        ("locale", "net", "tax", "total"),
        [
            ("zh", "不含税合计", "税额", "价税合计"),
            ("en", "Subtotal, excluding tax", "Tax", "Total, including tax"),
        ],
    )
    def test_net_tax_and_total_have_exact_labels(
        self, locale: str, net: str, tax: str, total: str
    ) -> None:
        shown = " ".join(text(replace(INVOICE, locale=locale)).split())
        assert f"{net} 110.38 CNY {tax} 6.62 CNY {total} 117.00 CNY" in shown

    @pytest.mark.parametrize(
        ("locale", "inclusive", "label"),
        [
            ("zh", False, "用量合计（不含税） 0.38"),
            ("zh", True, "用量合计（含税） 0.38"),
            ("en", False, "Usage, excluding tax 0.38"),
            ("en", True, "Usage, including tax 0.38"),
        ],
    )
    def test_tag_sum_label_states_whether_tax_is_included(
        self, locale: str, inclusive: bool, label: str
    ) -> None:
        terms = (replace(INVOICE.terms[0], tax_inclusive=inclusive),)
        document = replace(INVOICE, locale=locale, tags=(TAG,), terms=terms)
        page = " ".join(pages(render_invoice_pdf(document))[1].split())
        assert label in page
        assert "价税合计" not in page
        assert "Total" not in page

    def test_tag_sum_label_is_neutral_when_only_some_lines_include_tax(self) -> None:
        other = ids.new_id()
        late = replace(USAGE, line=replace(USAGE.line, version_id=other))
        terms = (*INVOICE.terms, replace(INVOICE.terms[0], version_id=other, tax_inclusive=True))
        document = replace(INVOICE, lines=(USAGE, late), tags=(TAG,), terms=terms)
        assert "用量合计 0.38" in " ".join(pages(render_invoice_pdf(document))[1].split())


class TestPageBreaks:
    @pytest.mark.parametrize(
        ("locale", "counts"),
        at_length(
            [("zh", range(16, 40)), ("en", range(16, 40))],
            [("zh", range(16, 40, 2)), ("en", range(17, 40, 2))],
        ),
        ids=["zh", "en"],
    )
    def test_last_lines_stay_on_the_page_of_the_totals(self, locale: str, counts: range) -> None:
        """For any number of lines, the last page has the totals and at least three lines."""
        several = 0
        for count in counts:
            shown = pages(
                render_invoice_pdf(replace(with_lines(count), locale=locale, notes=(NOTE,)))
            )
            assert shown[-1].count("llm：输出 token") >= 3, count
            assert ("计费范围" if locale == "zh" else "Billed:") in shown[-1]
            assert "MAAS-CN-000001" in shown[-1]
            several += len(shown) > 1
        assert several

    def test_last_tag_values_stay_on_the_page_of_their_sum(self) -> None:
        value = TagShare(TagShareKind.VALUE, "W", 1, (TagLineShare(1, 1, 1),))
        for count in range(30, 50, at_length(1, 2)):
            document = replace(INVOICE, tags=(TagBreakdown("order", (value,) * count),))
            last = pages(render_invoice_pdf(document))[-1]
            assert len(re.findall("^ *W ", last, re.MULTILINE)) >= 3, count

    def test_many_credit_notes_continue_on_further_pages(self) -> None:
        shown = pages(render_invoice_pdf(replace(INVOICE, notes=(NOTE,) * 120)))
        assert len(shown) > 2
        assert sum(page.count("重复计费") for page in shown) == 120

    def test_long_words_are_extracted_without_their_line_breaks(self) -> None:
        """A glyph that is copied with a mark beside it is no longer found by a search."""
        document = replace(INVOICE, buyer=Party("5" * 40 + "m" * 40, "", ""))
        (page,) = pages(render_invoice_pdf(document))
        assert "\u200b" not in page
        assert "5" * 40 + "m" * 40 in page.replace("\n", "")

    @pytest.mark.usefixtures("processes")
    @pytest.mark.parametrize("long", ["W" * 500, "很长的名字" * 60, "a@b.example/" * 40])
    def test_long_words_stay_within_page_margins(self, long: str, tmp_path: Path) -> None:
        document = replace(INVOICE, buyer=Party(long, long, long, long))
        line = replace(USAGE, description=long, price_text=long)
        content = render_invoice_pdf(replace(document, lines=(line,)))
        for page in rendered(content, tmp_path):
            margin = page.crop((page.width - 50, 0, page.width, page.height))
            assert margin.convert("L").getextrema()[0] == 255


class TestPdfConformance:
    """Requirements of PDF/A-2a (ISO 19005-2) and PDF/UA-1 (ISO 14289-1). Typst also checks both
    when it writes the file (billing/invoice_documents/rendering/typesetting.py)."""

    @pytest.fixture(params=["zh", "en"])
    def content(self, request: pytest.FixtureRequest) -> bytes:
        name = "Łódź Čapek 精密 한국 𠮷 😀 שלום ไทย"
        document = replace(INVOICE, buyer=Party(name, "", ""), tags=(TAG,), locale=request.param)
        return render_invoice_pdf(document)

    def test_all_fonts_are_embedded_subsets_with_unicode(self, content: bytes) -> None:
        found = list(fonts(content))
        assert found
        for font in found:
            assert "/ToUnicode" in font
            assert re.match(r"/[A-Z]{6}\+Noto", font["/BaseFont"])
            (descendant,) = font["/DescendantFonts"]
            descriptor = descendant.get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)

    def test_metadata_states_pdfa_and_pdfua(self, content: bytes) -> None:
        root = PdfReader(io.BytesIO(content)).trailer["/Root"]
        metadata = root["/Metadata"].get_object()
        assert "/Filter" not in metadata
        xmp = metadata.get_data().decode()
        for said in (
            "<pdfaid:part>2</pdfaid:part>",
            "<pdfaid:conformance>A</pdfaid:conformance>",
            "<pdfuaid:part>1</pdfuaid:part>",
        ):
            assert said in xmp

    def test_output_intent_has_icc_profile(self, content: bytes) -> None:
        root = PdfReader(io.BytesIO(content)).trailer["/Root"]
        (intent,) = (one.get_object() for one in root["/OutputIntents"])
        assert intent["/S"] == "/GTS_PDFA1"
        profile = intent["/DestOutputProfile"].get_object()
        assert profile.get_data()[36:40] == b"acsp"  # ICC.1, 7.2.11

    def test_document_is_tagged_with_language_and_title(self, content: bytes) -> None:
        reader = PdfReader(io.BytesIO(content))
        root = reader.trailer["/Root"]
        assert root["/Lang"] in ("zh-CN", "en-US")
        assert root["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in root
        assert root["/ViewerPreferences"]["/DisplayDocTitle"]
        assert reader.metadata is not None
        assert reader.metadata.title in ("账单 MAAS-000012", "Invoice MAAS-000012")

    def test_document_has_no_encryption_actions_or_soft_masks(self, content: bytes) -> None:
        reader = PdfReader(io.BytesIO(content))
        assert len(reader.trailer["/ID"]) == 2
        assert "/Encrypt" not in reader.trailer
        assert not {"/OpenAction", "/AA", "/Names", "/AcroForm"} & set(reader.trailer["/Root"])
        for page in reader.pages:
            assert not {"/AA", "/Annots"} & set(page)
            for state in page["/Resources"].get("/ExtGState", {}).values():
                assert "/SMask" not in state.get_object()

    def test_text_can_be_extracted(self, content: bytes) -> None:
        shown = "".join(pages(content))
        for part in ("Łódź Čapek 精密 한국 𠮷 😀", "ไทย"):
            assert part in shown


class TestReproducibleRendering:
    @pytest.mark.usefixtures("processes")
    def test_another_process_renders_same_bytes(self) -> None:
        """The bytes do not depend on Python's hash seed or the time zone."""
        script = (
            "import hashlib;"
            "from tests.billing.invoice_documents.sample_invoice import INVOICE;"
            "from billing.invoice_documents.rendering.pdf import render_invoice_pdf;"
            "print(hashlib.sha256(render_invoice_pdf(INVOICE)).hexdigest())"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/Lima"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True
        )
        assert (
            done.stdout.decode().strip() == hashlib.sha256(render_invoice_pdf(INVOICE)).hexdigest()
        )

    def test_concurrent_threads_render_same_bytes(self) -> None:
        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(render_invoice_pdf, [with_lines(5)] * 24))) == 1


def rendered(content: bytes, folder: Path, **environment: str) -> list[Image.Image]:
    """The pages as images at 75 dpi."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed")
    (folder / "x.pdf").write_bytes(content)
    for old in folder.glob("x-*.png"):
        old.unlink()
    done = subprocess.run(
        ["pdftoppm", "-r", "75", "-png", "x.pdf", "x"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return [Image.open(file) for file in sorted(folder.glob("x-*.png"))]


@pytest.mark.usefixtures("processes")
class TestWithoutInstalledFonts:
    @pytest.mark.parametrize("locale", ["zh", "en"])
    def test_pages_look_the_same_without_system_fonts(self, locale: str, tmp_path: Path) -> None:
        (tmp_path / "fonts.conf").write_text(
            '<?xml version="1.0"?><fontconfig><cachedir>cache</cachedir></fontconfig>'
        )
        names = Party("精密制造有限公司 Łódź 한국 𠮷 😀", "上海市浦东新区", "")
        document = replace(INVOICE, locale=locale, seller=names, tags=(TAG,))
        content = render_invoice_pdf(document)
        bare = {"FONTCONFIG_FILE": str(tmp_path / "fonts.conf")}
        without = [page.tobytes() for page in rendered(content, tmp_path, **bare)]
        assert without == [page.tobytes() for page in rendered(content, tmp_path)]

    def test_every_character_is_visible_on_page(self, tmp_path: Path) -> None:
        plain = render_invoice_pdf(replace(INVOICE, buyer=Party("", "", "")))
        (before, *_) = rendered(plain, tmp_path)
        for name in ("精", "Č", "한", "𠮷", "😀", "ש", "\u20b9", "\U00013000", "\ue000"):
            (after, *_) = rendered(
                render_invoice_pdf(replace(INVOICE, buyer=Party(name, "", ""))), tmp_path
            )
            assert after.tobytes() != before.tobytes(), name


class TestArbitraryText:
    @settings(max_examples=at_length(80, 15))
    @given(st.text(st.characters(), max_size=40))
    def test_any_party_text_renders_as_pdf(self, name: str) -> None:
        document = replace(INVOICE, buyer=Party(name, name, name, name))
        assert render_invoice_pdf(document).startswith(b"%PDF-1.7")


def test_source_with_files_shows_them_and_cannot_read_others() -> None:
    source = b"""#let data = json(bytes(sys.inputs.data))
#set document(title: "T", date: datetime(year: 2026, month: 1, day: 1))
#set text(font: "Noto Sans", lang: "en")
#image("/one.png", alt: "one", width: 20mm) #data.text"""
    picture = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(picture, "PNG")
    content = render_with_files(source, {"text": "Seen"}, {"../one.png": picture.getvalue()})
    page = PdfReader(io.BytesIO(content)).pages[0]
    assert "Seen" in page.extract_text()
    assert len(page.images) == 1
    with pytest.raises(Exception, match="escape the project root"):
        render_with_files(source.replace(b"/one.png", b"/../../etc/hostname"), {"text": ""}, {})
