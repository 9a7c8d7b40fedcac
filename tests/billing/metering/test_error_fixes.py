"""Suggested fixes: every code has one in both languages; no error has none."""

import pytest

from billing.metering.error_fixes import FIXES, GROUPS, OF_ROWS, fix_of, is_error_code


def test_a_known_code_has_its_fix_in_both_languages() -> None:
    for code, fix in {**FIXES, **OF_ROWS}.items():
        assert fix_of(code, 400) is fix
        assert fix.text("en") == fix.en != fix.text("zh") == fix.zh


def test_an_unknown_code_has_the_fix_of_its_status() -> None:
    refused, failed = fix_of("new_code", 422), fix_of("new_code", 503)
    assert refused is not None
    assert "correct the request" in refused.en
    assert failed is not None
    assert "try again" in failed.en


def test_no_error_has_no_fix() -> None:
    assert fix_of(None, 200) is None


def test_each_code_is_in_one_group() -> None:
    assert sorted(code for codes in GROUPS.values() for code in codes) == sorted(
        {**FIXES, **OF_ROWS}
    )
    assert all(map(is_error_code, {**FIXES, **OF_ROWS}))


@pytest.mark.parametrize("text", ["", "No", "a b", "a\0", "a" * 65])
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert not is_error_code(text)
