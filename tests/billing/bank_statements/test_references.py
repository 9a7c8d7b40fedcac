"""Invoice numbers in remittance texts."""

import pytest

from billing.bank_statements.references import build_patterns, find_references

PATTERNS = build_patterns(["MAAS", "WEST"])


def first(text: str) -> list[tuple[str, int]]:
    """The first reading of each reference that a text has."""
    return [readings[-1] for readings in find_references(PATTERNS, text)]


@pytest.mark.parametrize(
    "text",
    [
        "MAAS-000012",
        "maas 000012",
        "ＭＡＡＳ－０００012",
        "MAAS000012",
        "MAAS000 012",
        "MAAS-12",
        "M A A S - 000012",
        "MAAS-OOOO12",
        "MAAS-0000I2",
        "MAAS/000012",
        "MAAS—000012",
        "货款MAAS-000012号",
        "invoice MAAS-000012, thanks",
        "MAAS_000012.",
    ],
)
def test_number_is_found_in_common_variants(text: str) -> None:
    assert first(text) == [("MAAS", 12)]


def test_two_numbers_and_two_sellers_are_found() -> None:
    assert first("MAAS-000012 MAAS-000013 WEST-000001") == [
        ("MAAS", 12),
        ("MAAS", 13),
        ("WEST", 1),
    ]


def test_digits_after_a_complete_number_belong_to_something_else() -> None:
    assert first("MAAS-000012 2026-11") == [("MAAS", 12)]
    assert find_references(PATTERNS, "MAAS-00001220261103") == [
        [("MAAS", 1220261103), ("MAAS", 12)]
    ]


def test_short_number_before_other_digits_has_both_readings() -> None:
    assert find_references(PATTERNS, "MAAS-12 2026") == [[("MAAS", 12), ("MAAS", 122026)]]


@pytest.mark.parametrize(
    "text", ["", "XMAAS-000012", "MAAS-CN-000012", "MAAS", "MAAS-0", "TOIL", "000012"]
)
def test_other_texts_have_no_reference(text: str) -> None:
    assert [one for one in find_references(PATTERNS, text) if one] == []
