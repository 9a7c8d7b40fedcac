"""Suggested fixes: every code has one in both languages; no error has none."""

import pytest

from billing.metering.error_fixes import (
    ERROR_CODE_GROUPS,
    FIXES_BY_ERROR_CODE,
    USAGE_ROW_FIXES,
    find_suggested_fix,
    is_error_code,
)


def test_a_known_code_has_its_fix_in_both_languages() -> None:
    for code, fix in {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}.items():
        assert find_suggested_fix(code, 400) is fix
        assert fix.text("en") == fix.en != fix.text("zh") == fix.zh


def test_an_unknown_code_has_the_fix_of_its_status() -> None:
    refused, failed = find_suggested_fix("new_code", 422), find_suggested_fix("new_code", 503)
    assert refused is not None
    assert "correct the request" in refused.en
    assert failed is not None
    assert "try again" in failed.en


def test_no_error_has_no_fix() -> None:
    assert find_suggested_fix(None, 200) is None


def test_each_code_is_in_one_group() -> None:
    assert sorted(code for codes in ERROR_CODE_GROUPS.values() for code in codes) == sorted(
        {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}
    )
    assert all(map(is_error_code, {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}))


@pytest.mark.parametrize("text", ["", "No", "a b", "a\0", "a" * 65])
def test_what_cannot_be_a_code_is_none(text: str) -> None:
    assert not is_error_code(text)
