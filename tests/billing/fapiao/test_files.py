"""Files: workbooks for the tax platform, result lists, OFD and PDF."""

import io
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook

from billing.fapiao.batch_file import BatchFileProvider, format_rate
from billing.fapiao.errors import FapiaoFileInvalid, FapiaoNotFound, InvalidFapiaoState
from billing.fapiao.files import detect_format, list_formats, read_file, store_file
from billing.fapiao.layout import load_layout
from billing.fapiao.lines import Category, build_lines
from billing.fapiao.provider import IssueOrder, IssueResult, ProviderFile, RedLetterOrder
from billing.fapiao.result_file import MAX_RESULT_BYTES, read_result_list
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.views import fapiao_to_json, title_to_json
from billing.rating.taxes import Tax, TaxTreatment
from tests.support.billing.fapiao_steps import (
    CODE,
    HEADER,
    add_title,
    issued,
    paid_invoice,
    request,
    workbook,
)
from tests.support.stories.story import Story

LAYOUT = load_layout()
SIX = Tax(ppm=60_000)
TITLE = TitleFields(
    "=宁波厂",
    CODE,
    "special",
    "海曙区 1 号",
    "0574-1",
    "工商银行",
    "3901120009",
    "wu@plant.example",
)
SERIAL = "MAASFP00000001"


def order(title: TitleFields = TITLE, tax: Tax = SIX) -> IssueOrder:
    lines = build_lines(106_00, {Category("3040203000000000000", "信息系统服务"): 1}, tax)
    return IssueOrder(SERIAL, title, lines, tax, f"MAAS-000001 {SERIAL}")


def cells(content: bytes, sheet: str, header: int, row: int) -> dict[str, object]:
    """The cells of a row by the names of their columns."""
    found = load_workbook(io.BytesIO(content))[sheet]
    return {
        str(name.value): cell.value
        for name, cell in zip(found[header], found[row], strict=True)
        if name.value and cell.value is not None
    }


class TestBatchFile:
    async def test_special_fapiao_has_buyer_bank_and_amounts_with_tax(self) -> None:
        (file,) = await BatchFileProvider(LAYOUT).issue([order()])
        assert order().total == 106_00
        assert cells(file.content, "1-发票基本信息", 2, 3) == {
            "发票流水号": SERIAL,
            "发票类型": "增值税专用发票",
            "是否含税": "是",
            "受票方自然人标识": "否",
            "购买方名称": "=宁波厂",
            "购买方纳税人识别号": CODE,
            "购买方地址": "海曙区 1 号",
            "购买方电话": "0574-1",
            "购买方开户银行": "工商银行",
            "购买方银行账号": "3901120009",
            "是否展示购买方地址电话银行账号": "展示地址、电话、开户银行及银行账号",
            "备注": f"MAAS-000001 {SERIAL}",
            "购买方邮箱": "wu@plant.example",
        }
        assert cells(file.content, "2-发票明细信息", 2, 3) == {
            "发票流水号": SERIAL,
            "项目名称": "信息系统服务",
            "商品和服务税收编码": "3040203000000000000",
            "金额": "106.00",
            "税率": "0.06",
            "是否使用优惠政策": "否",
        }

    async def test_name_like_a_formula_is_stored_as_text(self) -> None:
        (file,) = await BatchFileProvider(LAYOUT).issue([order()])
        sheet = load_workbook(io.BytesIO(file.content))["1-发票基本信息"]
        kinds = {cell.data_type for cell in sheet[3] if cell.value}
        assert kinds == {"s"}

    @pytest.mark.parametrize(
        ("title", "shown"),
        [
            (TitleFields("A", CODE, address="x"), "展示地址、电话"),
            (TitleFields("A", CODE, bank_account="1"), "展示开户银行、银行账号"),
            (TitleFields("A", CODE), None),
        ],
    )
    async def test_address_and_bank_are_shown_where_given(
        self, title: TitleFields, shown: str | None
    ) -> None:
        (file,) = await BatchFileProvider(LAYOUT).issue([order(title)])
        found = cells(file.content, "1-发票基本信息", 2, 3)
        assert found.get("是否展示购买方地址电话银行账号") == shown

    async def test_natural_person_and_exemption_are_marked(self) -> None:
        exempt = Tax(TaxTreatment.EXEMPT, 60_000)
        (file,) = await BatchFileProvider(LAYOUT).issue([order(TitleFields("张三"), exempt)])
        head = cells(file.content, "1-发票基本信息", 2, 3)
        assert (head["受票方自然人标识"], head["发票类型"]) == ("是", "普通发票")
        line = cells(file.content, "2-发票明细信息", 2, 3)
        assert (line["税率"], line["优惠政策类型"]) == ("0", "免税")

    async def test_red_letters_are_listed_with_original_and_negative_amounts(self) -> None:
        from_day = (await _result()).issued_on
        assert from_day is not None
        red = RedLetterOrder(order(), "2" * 20, from_day, "invoice_error")
        (file,) = await BatchFileProvider(LAYOUT).red_letter([red])
        found = cells(file.content, "红字信息确认单", 2, 3)
        assert (found["对应蓝字发票号码"], found["蓝字发票开票日期"]) == ("2" * 20, "2026-11-03")
        assert (found["红冲原因"], found["金额"], found["税额"]) == ("开票有误", "-100.00", "-6.00")

    async def test_nothing_to_issue_writes_no_file(self) -> None:
        provider = BatchFileProvider(LAYOUT)
        assert (await provider.issue([]), await provider.red_letter([])) == ((), ())

    async def test_template_of_the_platform_is_filled_by_column_names(self) -> None:
        """Its columns are in another order, and it has further ones, from the third row on."""
        template = load_workbook(
            io.BytesIO(workbook([["说明"], ["必填"], ["购买方名称", "新栏", "发票流水号"]]))
        )
        template["Sheet"].title = "1-发票基本信息"
        template.create_sheet("2-发票明细信息").append(["金额", "发票流水号"])
        stream = io.BytesIO()
        template.save(stream)
        (file,) = await BatchFileProvider(LAYOUT, stream.getvalue()).issue([order()])
        assert cells(file.content, "1-发票基本信息", 3, 4) == {
            "购买方名称": "=宁波厂",
            "发票流水号": SERIAL,
        }
        assert cells(file.content, "2-发票明细信息", 1, 2)["金额"] == "106.00"

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            (b"x", "not an Excel"),
            (workbook([["a"]]), "no sheet"),
            (workbook([["a"]], "1-发票基本信息"), "no column"),
        ],
    )
    async def test_wrong_template_is_rejected(self, template: bytes, message: str) -> None:
        with pytest.raises(FapiaoFileInvalid, match=message):
            await BatchFileProvider(LAYOUT, template).issue([order()])

    @pytest.mark.parametrize(
        ("ppm", "text"), [(60_000, "0.06"), (130_000, "0.13"), (15_000, "0.015"), (0, "0")]
    )
    def test_rate_is_a_decimal(self, ppm: int, text: str) -> None:
        assert format_rate(Tax(ppm=ppm)) == text


async def _result(*cells: object, header: tuple[str, ...] = HEADER) -> IssueResult:
    row = cells or (SERIAL, "3" * 20, "2026-11-03", "106.00")
    file = ProviderFile("r.xlsx", workbook([["全量发票查询"], header, row]))
    provider = BatchFileProvider(LAYOUT, result=file)
    (found,) = await provider.query([SERIAL])
    return found


class TestResultList:
    async def test_row_has_number_day_and_total(self) -> None:
        found = await _result()
        assert (found.row, found.number, str(found.issued_on)) == (3, "3" * 20, "2026-11-03")
        assert found.total == 106_00

    @pytest.mark.parametrize("total", ["106.00", "106", 106.0, 106, "-106.00", "¥106.00", "106.0"])
    async def test_total_is_read_in_any_form(self, total: object) -> None:
        assert (await _result(SERIAL, "3" * 20, "2026/11/3 10:20:30", total)).total == 106_00

    async def test_thousands_separators_are_read(self) -> None:
        found = await _result(SERIAL, "3" * 20, "2026.11.03", "1,106.05")
        assert (found.total, str(found.issued_on)) == (1_106_05, "2026-11-03")

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ((SERIAL, "123", "2026-11-03", "1"), "20 digits"),
            ((SERIAL, "3" * 20, "", "1"), "the date"),
            ((SERIAL, "3" * 20, "2026-13-03", "1"), "the date"),
            ((SERIAL, "3" * 20, "2026-11-03", "x"), "the total"),
        ],
    )
    async def test_unreadable_row_is_a_problem(self, row: tuple[object, ...], problem: str) -> None:
        found = await _result(*row)
        assert problem in found.problem
        assert found.error == ""

    async def test_row_is_found_by_the_serial_number_in_its_remark(self) -> None:
        header = ("数电票号码", "开票日期", "价税合计", "备注")
        row = ("3" * 20, "2026-11-03", "106.00", f"MAAS-000001 {SERIAL}")
        assert (await _result(*row, header=header)).total == 106_00

    def test_rows_of_other_fapiao_are_skipped_in_csv_of_both_encodings(self) -> None:
        text = "发票流水号,发票号码,开票日期,价税合计\nX,1,2026-11-03,1\n"
        text += f"{SERIAL},{'3' * 20},2026-11-03,106.00\nshort\n"
        for encoding in ("utf-8-sig", "gb18030"):
            file = ProviderFile("r.csv", text.encode(encoding))
            (found,) = read_result_list(LAYOUT.result, file, [SERIAL])
            assert (found.row, found.total) == (3, 106_00)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"a,b\n1,2\n", "no header"),
            (b"", "no header"),
            (b'"' + b"x" * 140_000 + b'"', "not valid CSV"),
            (b"\xff\xff\xff", "neither"),
            (b"PK\x03\x04broken", "not a readable"),
            (b"x" * (MAX_RESULT_BYTES + 1), "too large"),
        ],
    )
    def test_wrong_file_is_rejected(self, content: bytes, message: str) -> None:
        with pytest.raises(FapiaoFileInvalid, match=message):
            read_result_list(LAYOUT.result, ProviderFile("r", content), [])


def ofd(entry: str = "OFD.xml") -> bytes:
    stream = io.BytesIO()
    with ZipFile(stream, "w") as package:
        package.writestr(entry, "<ofd/>")
    return stream.getvalue()


class TestFapiaoFiles:
    async def test_customer_reads_stored_files_of_both_formats(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await issued(story, firm, invoice)
        place = (firm.account.id, row.id)
        async with story.database.transaction() as session:
            for content in (b"%PDF-1.7 old", b"%PDF-1.7", ofd()):
                await store_file(session, story.clock, *place, content)
            assert await list_formats(session, firm.account.id, [row.id]) == {
                row.id: ("pdf", "ofd")
            }
            file = await read_file(session, *place, "pdf")
            assert (file.name, file.media_type) == (f"{row.number}.pdf", "application/pdf")
            assert file.content == b"%PDF-1.7"
            with pytest.raises(FapiaoNotFound):
                await read_file(session, (await story.firm("B")).account.id, row.id, "pdf")
            with pytest.raises(FapiaoNotFound):
                await read_file(session, *place, "xml")

    async def test_file_of_a_fapiao_without_number_is_refused(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        row = await request(firm, invoice)
        async with story.database.transaction() as session:
            with pytest.raises(InvalidFapiaoState):
                await store_file(session, story.clock, firm.account.id, row.id, b"%PDF-1.7")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"MZ", "neither"),
            (b"", "neither"),
            (ofd("other.xml"), "neither"),
            (b"%PDF-" + b"x" * (5 << 20), "too large"),
        ],
    )
    def test_other_or_large_file_is_rejected(self, content: bytes, message: str) -> None:
        with pytest.raises(FapiaoFileInvalid, match=message):
            detect_format(content)

    def test_formats_have_media_types(self) -> None:
        assert detect_format(ofd()).media_type == "application/ofd"


class TestViews:
    async def test_json_has_decimal_amounts_and_ids(self, story: Story) -> None:
        firm, invoice = await paid_invoice(story)
        title = title_to_json(await add_title(firm, TitleFields("张三")))
        assert (title["id"][:4], title["kind"], title["is_default"]) == ("fpt_", "ordinary", False)
        shown = fapiao_to_json(await request(firm, invoice), "MAAS-000001", ("pdf",))
        assert (shown["net"], shown["tax"], shown["total"]) == ("100.00", "6.00", "106.00")
        assert (shown["tax_percent"], shown["files"], shown["number"]) == ("6", ["pdf"], None)
        assert shown["lines"][0]["total"] == "106.00"
