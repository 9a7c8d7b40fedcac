"""Texts of invoices: every term and price format in both languages."""

from itertools import chain

import pytest

from billing.accounts.collection_method import CollectionMethod
from billing.invoice_documents import translations
from billing.invoice_documents.document import PREVIEW_STATUS
from billing.invoice_documents.price_format import (
    format_percent,
    format_price,
    format_short_amount,
    price_to_json,
)
from billing.invoice_documents.translations import translate
from billing.invoices.numbering import format_credit_note_number, format_invoice_number
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.registry import PRICE_KINDS
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import METERS
from billing.rating.statement import LineKind
from billing.rating.taxes import TaxTreatment
from billing.tables import InvoiceStatus, Settlement
from billing.translations.catalog import LOCALES, billing_texts

TIERS = (Tier(1_000, 10**7), Tier(None, 8 * 10**6))
FLATS = Graduated((Tier(1_000, 10**7, 5 * 10**9), Tier(None, 8 * 10**6)))


def in_each_locale(key: str) -> list[str]:
    """The texts of a key in English and Chinese, with placeholders."""
    return [billing_texts(locale).gettext(translations._TEXTS[key]) for locale in LOCALES]


class TestTranslations:
    @pytest.mark.parametrize(
        "place",
        [
            *chain(LineKind, METERS, TaxTreatment, CollectionMethod, InvoiceStatus),
            PREVIEW_STATUS,
            "model_discount",
            "rule",
        ],
    )
    def test_each_term_has_english_and_chinese_text(self, place: str) -> None:
        english, chinese = in_each_locale(place)
        assert english.isascii()
        assert english != chinese

    @pytest.mark.parametrize("kind", PRICE_KINDS)
    def test_each_price_kind_has_text_in_both_languages(self, kind: str) -> None:
        assert all("{units}" in text for text in in_each_locale(kind))

    def test_billing_rule_states_whether_each_settlement_is_billed(self) -> None:
        rule = translate("en", "rule")
        told = {
            Settlement.COMPLETE: "complete response",
            Settlement.CLIENT_ABORT: "client disconnected",
            Settlement.REFUSED: "rejected",
            Settlement.PLATFORM_FAULT: "platform error",
            Settlement.REPLAYED: "replayed",
            Settlement.UNKNOWN: "usage is unknown",
            Settlement.WAIVED: "waived",
        }
        assert set(told) == set(Settlement)
        billed, not_billed = rule.split("; ")
        for settlement, words in told.items():
            assert words in (billed if settlement.billable else not_billed)

    def test_placeholders_are_replaced_by_values(self) -> None:
        assert translate("en", "page", page=1, pages=2) == "Page 1 of 2"
        assert translate("zh", "page", page=1, pages=2) == "第 1 页，共 2 页"


class TestPriceFormat:
    @pytest.mark.parametrize(
        ("price", "meter", "words"),
        [
            (PerUnit(500), "input_tokens", "CN¥0.50 per 1M tokens"),
            (PerUnit(10**6), "rows", "CN¥0.001 per row"),
            (Package(1_000, 2 * 10**9), "rows", "CN¥2.00 per 1,000 rows, rounded up"),
            (PerUnit(25 * 10**6), "images", "CN¥0.025 per image"),
            # The price is per minute, the quantity is in seconds.
            (PerUnit(10**7), "adaptation_seconds", "CN¥0.60 per minute"),
            (Package(60, 10**9), "adaptation_seconds", "CN¥1.00 per 60 s, rounded up"),
            (
                Volume(TIERS),
                "adaptation_seconds",
                "Per minute, all units at the price of the tier reached: CN¥0.60 up to 1,000 s; "
                "CN¥0.48 above",
            ),
            (
                FLATS,
                "rows",
                "Per row, each unit at the price of its tier: CN¥0.01 plus CN¥5.00 once up to "
                "1,000 rows; CN¥0.008 above",
            ),
            (
                Volume(TIERS),
                "rows",
                "Per row, all units at the price of the tier reached: CN¥0.01 up to 1,000 rows; "
                "CN¥0.008 above",
            ),
        ],
    )
    def test_price_is_formatted_in_english(self, price: PerUnit, meter: str, words: str) -> None:
        assert format_price(price, meter, "CNY", "en") == words

    def test_price_is_formatted_in_chinese(self) -> None:
        for price, meter, words in (
            (PerUnit(10**7), "adaptation_seconds", "¥0.60/分钟"),
            (PerUnit(10**6), "rows", "¥0.001/行"),
            (PerUnit(500), "input_tokens", "¥0.50/百万 token"),
            (Package(1_000, 2 * 10**9), "rows", "¥2.00/1,000 行（不足按整包计）"),
            (
                FLATS,
                "rows",
                "阶梯计价，每行：不超过 1,000 行：¥0.01（另加一次性 ¥5.00）；以上：¥0.008",
            ),
        ):
            assert format_price(price, meter, "CNY", "zh") == words

    def test_other_currencies_have_their_symbol(self) -> None:
        assert format_price(PerUnit(10**7), "images", "USD", "en") == "$0.01 per image"
        assert format_price(PerUnit(1_800 * 10**9), "outcomes", "JPY", "zh") == "JP¥1,800.00/次"

    def test_json_amounts_are_decimal_strings(self) -> None:
        assert price_to_json(PerUnit(500)) == {"kind": "per_unit", "unit": "0.000000500"}
        assert price_to_json(Package(10, 10**9)) == {
            "kind": "package",
            "size": 10,
            "amount": "1.000000000",
        }
        graduated, volume = price_to_json(FLATS), price_to_json(Volume(TIERS))
        assert (graduated["kind"], volume["kind"]) == ("graduated", "volume")
        assert graduated["tiers"] == [
            {"up_to": 1_000, "unit": "0.010000000", "flat": "5.000000000"},
            {"up_to": None, "unit": "0.008000000", "flat": "0.000000000"},
        ]

    @pytest.mark.parametrize(
        ("nano", "text"),
        [
            (0, "0.00"),
            (5 * 10**8, "0.50"),
            (10**9, "1.00"),
            (1, "0.000000001"),
            (1_234 * 10**6, "1.234"),
        ],
    )
    def test_short_amount_has_at_least_two_decimals(self, nano: int, text: str) -> None:
        assert format_short_amount(nano) == text

    @pytest.mark.parametrize(
        ("ppm", "text"), [(0, "0"), (60_000, "6"), (82_500, "8.25"), (1, "0.0001"), (10**6, "100")]
    )
    def test_rate_in_ppm_is_formatted_as_percent(self, ppm: int, text: str) -> None:
        assert format_percent(ppm) == text


class TestDocumentNumberFormat:
    def test_each_document_type_has_its_own_format(self) -> None:
        assert format_invoice_number("MAAS", 12) == "MAAS-000012"
        assert format_invoice_number("MAAS", 1_234_567) == "MAAS-1234567"
        assert format_credit_note_number("MAAS", 12) == "MAAS-CN-000012"
