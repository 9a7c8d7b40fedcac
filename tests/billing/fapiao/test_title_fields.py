"""Buyer titles: tax numbers, kinds and lengths."""

import pytest

from billing.fapiao.errors import FapiaoTitleInvalid
from billing.fapiao.title_fields import TitleFields, validated_title

CODE = "91110000600037341L"  # of python-stdnum's documentation
CARD = "11010519491231002X"  # of GB 11643


class TestTaxNumber:
    @pytest.mark.parametrize("text", [CODE, "9111 0000 6000 37341l", CARD, f"{CARD}01", ""])
    def test_valid_number_is_accepted_without_separators(self, text: str) -> None:
        title = validated_title(TitleFields("Acme", text))
        assert title.tax_number == text.replace(" ", "").upper()
        assert title.is_natural_person == (text == "")

    @pytest.mark.parametrize(
        "text",
        [
            "91110000600037341M",
            "9111000060003734",
            "12345",
            f"{CARD[:-1]}1",
            f"{CARD}1",
            f"{CARD}AB",
            f"{CARD}٠١",
        ],
    )
    def test_wrong_check_digit_or_length_is_rejected(self, text: str) -> None:
        with pytest.raises(FapiaoTitleInvalid, match="check digit") as raised:
            validated_title(TitleFields("Acme", text))
        assert raised.value.param == "tax_number"

    def test_special_fapiao_needs_a_tax_number(self) -> None:
        with pytest.raises(FapiaoTitleInvalid) as raised:
            validated_title(TitleFields("Acme", kind="special"))
        assert raised.value.param == "tax_number"
        assert validated_title(TitleFields("Acme", CODE, "special")).kind == "special"


class TestOtherFields:
    def test_spaces_are_cleaned(self) -> None:
        title = validated_title(TitleFields("  Acme   Works ", CODE, address="A\nB"))
        assert (title.name, title.address) == ("Acme Works", "A B")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", " "),
            ("name", "x" * 101),
            ("kind", "paper"),
            ("address", "x" * 101),
            ("bank_account", "6222\x00"),
            ("email", "not an address"),
            ("email", "a@" + "x" * 71),
        ],
    )
    def test_invalid_field_is_named(self, field: str, value: str) -> None:
        with pytest.raises(FapiaoTitleInvalid) as raised:
            validated_title(TitleFields(**{"name": "Acme", "tax_number": CODE, field: value}))
        assert raised.value.param == field
