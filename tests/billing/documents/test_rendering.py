"""How invoices look: CSV that no spreadsheet runs, PDF that shows Chinese and never overflows."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from billing.accounts.parties import Party
from billing.agreements.totals import NO_TERMS
from billing.documents.breakdown import LinePart, Part, PartKind, Tag
from billing.documents.calls import BilledCall
from billing.documents.documents import InvoiceDocument
from billing.documents.parts import DocumentLine, NoteShown, Span, TermsShown
from billing.documents.rendering.csv import (
    CALL_COLUMNS,
    LINE_COLUMNS,
    calls_header,
    calls_rows,
    lines_csv,
    safe,
)
from billing.documents.rendering.pdf import invoice_pdf
from billing.documents.rendering.pdf_text import markup
from billing.invoices.balances import Balance
from billing.rating.statement import Line, LineKind
from infra import ids
from tests.billing.pdf_reading import pages

VERSION = ids.new_id()
START, END = datetime(2026, 9, 30, 16, tzinfo=UTC), datetime(2026, 10, 31, 16, tzinfo=UTC)
OCTOBER = Span(date(2026, 10, 1), date(2026, 10, 31), START, END)
USAGE = DocumentLine(
    number=1,
    line=Line(LineKind.USAGE, 38, VERSION, "llm", "output_tokens", 500_000, 310_000),
    description="llm：输出词元",
    plan="growth",
    plan_name="成长版",
    price_text="2.00 / 1,000,000",
)
FEE = DocumentLine(
    number=2,
    line=Line(LineKind.FIXED_FEE, 110_00, VERSION),
    description="成长版：固定费用",
    plan="growth",
    plan_name="成长版",
    price_text="",
    service=OCTOBER,
    base=310_00,
    share=Fraction(11, 31),
)
INVOICE = InvoiceDocument(
    id=ids.new_id(),
    account_id=ids.new_id(),
    number="MAAS-000012",
    status="open",
    locale="zh",
    time_zone="Asia/Shanghai",
    currency="CNY",
    seller=Party("模型服务有限公司", "北京市", "9111"),
    buyer=Party("Acme 精密", "上海市\n浦东新区", "", "bill@acme.cn"),
    issued_on=date(2026, 11, 1),
    due_on=date(2026, 12, 1),
    period=OCTOBER,
    lines=(USAGE, FEE),
    net=110_38,
    tax=6_62,
    total=117_00,
    tax_treatment="standard",
    tax_ppm=60_000,
    collection="manual",
    balance=Balance(owed=117_00),
    notes=(),
    tags=(),
    terms=(TermsShown(VERSION, "growth", 1, "成长版", Fraction(1), False),),
    as_of=None,
    period_id=ids.new_id(),
    list_version=NO_TERMS,
)
CALL = BilledCall(
    request_id=ids.new_id(),
    started_at=START,
    model="llm",
    key_id=None,
    operation="chat",
    settlement="complete",
    input_tokens=3,
    cached_input_tokens=None,
    output_tokens=5,
    rows=None,
    images=12,
    adaptation_seconds=None,
    version_id=VERSION,
    late=True,
    tags={"order": '=A-17,"x"'},
    cost_nano=1_234,
)


def text(document: InvoiceDocument) -> str:
    return "\n".join(pages(invoice_pdf(document)))


class TestCsv:
    @pytest.mark.parametrize(
        ("cell", "kept"),
        [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("@x", "'@x"),
            ("-x", "'-x"),
            ("\tx", "'\tx"),
            ("-3.00", "-3.00"),
            ("-3", "-3"),
            ("-3.0.0", "'-3.0.0"),
            ("a=1", "a=1"),
            (None, ""),
            (0, "0"),
        ],
    )
    def test_nothing_is_a_formula(self, cell: object, kept: str) -> None:
        assert safe(cell) == kept

    def test_lines(self) -> None:
        named = replace(USAGE, description="=cmd|x", line=replace(USAGE.line, minor=-607))
        content = lines_csv(replace(INVOICE, lines=(named, FEE)))
        assert content.startswith(b"\xef\xbb\xbf")
        first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert tuple(first) == LINE_COLUMNS
        assert (first["description"], first["amount"], first["quantity"]) == (
            "'=cmd|x",
            "-6.07",
            "500000",
        )
        assert (second["line"], second["description"]) == ("2", "成长版：固定费用")
        assert (second["first_day"], second["last_day"]) == ("2026-10-01", "2026-10-31")
        assert second["currency"] == "CNY"

    def test_calls_page_by_page(self) -> None:
        plain = replace(CALL, tags=None, late=False, version_id=NO_TERMS)
        content = calls_header() + calls_rows([CALL], "CNY") + calls_rows([plain], "CNY")
        first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert tuple(first) == CALL_COLUMNS
        assert (first["images"], first["adaptation_seconds"]) == ("12", "")
        assert (first["late"], first["cost"]) == ("yes", "0.000001234")
        assert first["tags"] == '{"order": "=A-17,\\"x\\""}'
        assert (first["cached_input_tokens"], first["plan_version"]) == ("", VERSION.hex)
        assert (second["tags"], second["late"], second["plan_version"]) == ("", "no", "")


class TestPdf:
    def test_chinese_and_latin(self) -> None:
        shown = text(INVOICE)
        for part in (
            "账单 MAAS-000012",
            "Acme 精密",
            "浦东新区",
            "bill@acme.cn",
            "税号 9111",
            "llm：输出词元",
        ):
            assert part in shown
        assert "310.00 × 11/31" in shown
        assert "第 1 页，共 1 页" in shown

    def test_english(self) -> None:
        shown = text(replace(INVOICE, locale="en"))
        assert "Please transfer 117.00 CNY by 2026-12-01, quoting MAAS-000012." in shown
        assert "Page 1 of 1" in shown

    def test_the_same_bytes_each_time(self) -> None:
        assert invoice_pdf(INVOICE) == invoice_pdf(INVOICE)

    def test_what_was_paid_and_credited(self) -> None:
        note = NoteShown(
            ids.new_id(), "MAAS-CN-000001", date(2026, 11, 2), "重复计费", 9, 1, 10, 0, 0
        )
        balance = Balance(paid=50_00, credited=10, written_off=5, owed=66_85)
        shown = text(replace(INVOICE, balance=balance, notes=(note,)))
        for part in ("-50.00 CNY", "-0.10 CNY", "-0.05 CNY", "66.85 CNY", "重复计费"):
            assert part in shown

    def test_a_preview_owes_nothing_yet(self) -> None:
        preview = replace(INVOICE, id=None, number=None, status="preview", issued_on=None)
        shown = text(replace(preview, due_on=None, balance=Balance()))
        assert "账单 预览" in shown
        assert "应付" not in shown

    def test_tags_are_on_a_page_of_their_own(self) -> None:
        parts = (
            Part(PartKind.VALUE, "订单 A-17", 1, (LinePart(1, 400_000, 30),)),
            Part(PartKind.OTHERS, "", 12, (LinePart(1, 60_000, 5),)),
            Part(PartKind.UNTAGGED, "", 0, (LinePart(1, 40_000, 3),)),
        )
        first, second = pages(invoice_pdf(replace(INVOICE, tags=(Tag("order", parts),))))
        assert "第 1 页，共 2 页" in first
        for shown in ("订单 A-17", "其他 12 个取值", "无此标签", "0.38", "第 2 页，共 2 页"):
            assert shown in second

    @pytest.mark.parametrize("locale", ["zh", "en"])
    def test_nothing_is_too_long(self, locale: str) -> None:
        """What customers write freely may fill pages, but never ends in an error."""
        party = Party("很长的名字" * 100, "x\n" * 250, "W" * 500)
        line = replace(
            USAGE, description="very-long-model-name" * 40, price_text="0.01 up to 1,000; " * 50
        )
        value = Part(PartKind.VALUE, "W" * 128, 1, (LinePart(1, 1, 1),))
        document = replace(
            INVOICE,
            locale=locale,
            seller=party,
            buyer=party,
            lines=tuple(replace(line, number=number) for number in range(1, 60)),
            tags=tuple(Tag(f"tag_{at}", (value,) * 60) for at in range(5)),
        )
        assert len(pages(invoice_pdf(document))) > 10

    def test_markup_cannot_be_broken_out_of(self) -> None:
        assert markup("<b>&") == "&lt;b&gt;&amp;"
        assert markup("a\nb") == "a<br/>b"
        assert markup("Müller €") == (
            'M<font name="Helvetica">ü</font>ller <font name="Helvetica">€</font>'
        )
        assert markup("😀") == "□"
        document = replace(INVOICE, buyer=Party("<font size=90>Müller & 子😀</font>", "", ""))
        shown = "".join(text(document).splitlines())
        assert "<font size=90>Müller & 子□</font>" in shown.replace(" ", " ")
