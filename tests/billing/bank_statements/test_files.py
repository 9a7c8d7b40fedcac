"""Statements as CSV and camt.053: columns, encodings, amounts, and files that are refused."""

from datetime import date

import pytest

from billing.bank_statements.amounts import parse_amount, parse_day
from billing.bank_statements.camt053 import parse_camt053
from billing.bank_statements.columns import load_columns
from billing.bank_statements.csv_file import StatementDefaults
from billing.bank_statements.entries import BankEntry, ParsedStatement, hash_entries
from billing.bank_statements.errors import BankStatementInvalid
from billing.bank_statements.lines import MAX_STATEMENT_BYTES, parse_statement

CHINESE = """账户明细,,,,,,,
交易日期,交易时间,借方发生额,贷方发生额,对方户名,对方账号,摘要,附言,交易流水号,币种
2026-11-03,10:20:00,,"1,106.00",宁波海曙精密机械厂,'6222001,转账,货款 MAAS-000012,S1,人民币
2026-11-04,09:00:00,500.00,,电力公司,6222002,电费,,S2,人民币
20261105,09:00:00,,50,Beta,6222003,,MAAS-000013,S3,
2026-11-06,09:00:00,,x,Beta,6222003,,,S4,
2026-13-06,09:00:00,,1.00,Beta,6222003,,,S5,
合计,,,1156.00,,,,,,
"""
GERMAN = """Booking date;Amount;Payer;Remittance information
03.11.2026;1.106,50;Werk GmbH;MAAS-000012
04.11.2026;-20,00;Strom;x
"""
SIGNED = """日期\t金额\t借贷标志\t付款人名称\t摘要
2026/11/3\t106.00\t贷\tAcme\tMAAS-000012
2026/11/3\t106.00\t借\tAcme\tx
"""


def parsed(text: str, encoding: str = "utf-8", more: str = "", **defaults: str) -> ParsedStatement:
    names = load_columns(more)
    return parse_statement(text.encode(encoding), names, StatementDefaults(**defaults))


class TestCsv:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_chinese_statement_has_incoming_transfers(self, encoding: str) -> None:
        found = parsed(CHINESE, encoding, account="3901")
        assert found.entries[0] == BankEntry(
            "3901",
            "S1",
            date(2026, 11, 3),
            1_106_00,
            "CNY",
            "宁波海曙精密机械厂",
            "6222001",
            "转账 货款 MAAS-000012",
        )
        assert [one.minor for one in found.entries] == [1_106_00, 50_00]
        assert (found.skipped, [row for row, _ in found.problems]) == (1, [6, 7])

    def test_german_statement_with_semicolons_and_decimal_commas(self) -> None:
        (one,) = parsed(GERMAN, currency="EUR").entries
        assert (one.minor, one.currency, one.booked_on) == (1_106_50, "EUR", date(2026, 11, 3))

    def test_direction_column_tells_credits(self) -> None:
        found = parsed(SIGNED)
        assert (len(found.entries), found.skipped, found.entries[0].payer_name) == (1, 1, "Acme")

    def test_columns_of_the_operators_bank_are_added(self) -> None:
        text = "Tag,Eingang,Von,Konto\n2026-11-03,5.00,Acme,77\n\n2026-11-03\n"
        more = (
            '[columns]\nday = ["Tag"]\ncredit = ["Eingang"]\npayer = ["Von"]\naccount = ["Konto"]'
        )
        with pytest.raises(BankStatementInvalid, match="No row has the names"):
            parsed(text)
        (one,) = parsed(text, more=more).entries
        assert (one.minor, one.payer_name, one.account) == (5_00, "Acme", "77")

    @pytest.mark.parametrize(
        "more", ["x", 'columns = "a"', '[columns]\nday = "Tag"', "[columns]\nday = [1]"]
    )
    def test_invalid_column_file_is_rejected(self, more: str) -> None:
        with pytest.raises(BankStatementInvalid):
            load_columns(more)

    def test_other_and_too_large_files_are_rejected(self) -> None:
        names, defaults = load_columns(), StatementDefaults()
        for content, message in (
            (b"\xff\xff\xff", "neither"),
            (b'"' + b"x" * 140_000 + b'"', "No row"),
            (b"x" * (MAX_STATEMENT_BYTES + 1), "too large"),
        ):
            with pytest.raises(BankStatementInvalid, match=message):
                parse_statement(content, names, defaults)


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "minor"),
        [
            ("1,234.56", 1_234_56),
            ("1.234,56", 1_234_56),
            ("1 234,56", 1_234_56),
            ("1'234.5", 1_234_50),
            ("1,234", 1_234_00),
            ("1.234.567", 1_234_567_00),
            ("12,5", 12_50),
            ("¥ 7", 7_00),
            ("+7.00", 7_00),
            ("-7.00", -7_00),
            ("(7.00)", -7_00),
            ("7.00-", -7_00),
        ],
    )
    def test_separators_and_signs_are_understood(self, text: str, minor: int) -> None:
        assert parse_amount(text, "CNY") == minor

    def test_three_decimals_of_a_currency_are_no_thousands(self) -> None:
        assert parse_amount("1.234", "KWD") == 1_234

    @pytest.mark.parametrize("text", ["", "x", "1.2.3", "7.001"])
    def test_other_text_is_no_amount(self, text: str) -> None:
        if text != "7.001":
            with pytest.raises(ValueError, match="amount"):
                parse_amount(text, "CNY")
        else:  # a point before three digits separates thousands
            assert parse_amount(text, "CNY") == 7_001_00

    @pytest.mark.parametrize(
        "text", ["20261103", "20261103102000", "2026-11-03", "2026/11/3 10:20", "3.11.2026"]
    )
    def test_days_are_read(self, text: str) -> None:
        assert parse_day(text) == date(2026, 11, 3)

    @pytest.mark.parametrize("text", ["", "x", "2026", "2026-13-01"])
    def test_other_text_is_no_day(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"date|month"):
            parse_day(text)


def camt(entries: str, version: str = "02") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>
    <Stmt><Acct><Id><IBAN>DE001</IBAN></Id></Acct>{entries}</Stmt></BkToCstmrStmt></Document>
    """.encode()


def ntry(inner: str, amount: str = "106.00", sign: str = "CRDT", status: str = "BOOK") -> str:
    return f"""<Ntry><NtryRef>N1</NtryRef><Amt Ccy="CNY">{amount}</Amt>
    <CdtDbtInd>{sign}</CdtDbtInd><Sts>{status}</Sts><BookgDt><Dt>2026-11-03</Dt></BookgDt>
    {inner}</Ntry>"""


DETAIL = """<NtryDtls><TxDtls><Refs><EndToEndId>E2E</EndToEndId></Refs>
<RltdPties><Dbtr><Nm>Acme</Nm></Dbtr><DbtrAcct><Id><IBAN>DE002</IBAN></Id></DbtrAcct></RltdPties>
<RmtInf><Ustrd>MAAS-</Ustrd><Ustrd>000012</Ustrd></RmtInf></TxDtls></NtryDtls>"""


class TestCamt:
    @pytest.mark.parametrize("version", ["02", "04", "08"])
    def test_entry_has_payer_reference_and_text(self, version: str) -> None:
        (one,) = parse_camt053(camt(ntry(DETAIL), version)).entries
        assert one == BankEntry(
            "DE001",
            "N1",
            date(2026, 11, 3),
            106_00,
            "CNY",
            "Acme",
            "DE002",
            "MAAS- 000012 E2E",
        )

    def test_newer_version_has_status_code_and_party(self) -> None:
        newer = ntry(DETAIL.replace("<Nm>Acme</Nm>", "<Pty><Nm>Acme</Nm></Pty>"))
        newer = newer.replace("<Sts>BOOK</Sts>", "<Sts><Cd>BOOK</Cd></Sts>")
        (one,) = parse_camt053(camt(newer, "08")).entries
        assert one.payer_name == "Acme"

    def test_debits_pending_entries_and_reversals_are_skipped(self) -> None:
        found = parse_camt053(
            camt(ntry("", sign="DBIT") + ntry("", status="PDNG") + ntry("<RvslInd>true</RvslInd>"))
        )
        assert (found.entries, found.skipped) == ([], 3)

    def test_entry_of_several_transactions_is_divided(self) -> None:
        details = "".join(
            f'<TxDtls><AmtDtls><TxAmt><Amt Ccy="CNY">{amount}</Amt></TxAmt></AmtDtls></TxDtls>'
            for amount in ("50.00", "56.00")
        )
        found = parse_camt053(camt(ntry(f"<NtryDtls>{details}</NtryDtls>"))).entries
        assert [(one.reference, one.minor) for one in found] == [("N1/1", 50_00), ("N1/2", 56_00)]

    def test_unreadable_entry_is_a_problem(self) -> None:
        wrong = ntry("", amount="x") + ntry("").replace("<Dt>2026-11-03</Dt>", "")
        wrong += ntry("").replace('<Amt Ccy="CNY">106.00</Amt>', "")
        found = parse_camt053(camt(wrong))
        assert [number for number, _ in found.problems] == [1, 2, 3]

    def test_entities_are_never_expanded(self) -> None:
        bomb = b'<!DOCTYPE d [<!ENTITY a "b">]>' + camt(ntry("")).partition(b"?>")[2].lstrip()
        with pytest.raises(BankStatementInvalid, match="not valid XML"):
            parse_camt053(bomb)

    @pytest.mark.parametrize(
        "content",
        [b"<a", b"<Document/>", camt("", "09"), b'<?xml version="1.0" encoding="U-8"?><a/>'],
    )
    def test_other_xml_is_rejected(self, content: bytes) -> None:
        with pytest.raises(BankStatementInvalid):
            parse_statement(content, load_columns(), StatementDefaults())


class TestHashes:
    def test_reference_of_the_bank_decides(self) -> None:
        one = BankEntry("1", "R1", date(2026, 11, 3), 1, "CNY")
        again = BankEntry("1", "R1", date(2026, 11, 4), 1, "CNY", "Acme")
        other = BankEntry("2", "R1", date(2026, 11, 3), 1, "CNY")
        first, second, third = hash_entries([one, again, other])
        assert (first == second, first == third) == (True, False)

    def test_equal_entries_without_reference_are_different_transfers(self) -> None:
        one = BankEntry("1", "", date(2026, 11, 3), 1, "CNY", "Acme")
        hashes = hash_entries([one, one])
        assert len(set(hashes)) == 2
        assert hash_entries([one, one]) == hashes
