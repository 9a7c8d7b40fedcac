"""Suggested fixes of error codes in English and Chinese."""

import pytest

from billing.metering.error_fixes import (
    ERROR_CODE_GROUPS,
    FIXES_BY_ERROR_CODE,
    USAGE_ROW_FIXES,
    find_suggested_fix,
    is_error_code,
)


def test_every_error_code_has_a_fix_in_english_and_chinese() -> None:
    for code, fix in {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}.items():
        assert find_suggested_fix(code, 400) is fix
        assert fix.text("en") == fix.en != fix.text("zh")


def test_unknown_error_code_gets_the_fix_of_its_http_status() -> None:
    refused, failed = find_suggested_fix("new_code", 422), find_suggested_fix("new_code", 503)
    assert refused is not None
    assert "correct the request" in refused.en
    assert failed is not None
    assert "try again" in failed.en


def test_success_status_without_error_code_has_no_fix() -> None:
    assert find_suggested_fix(None, 200) is None


def test_every_error_code_is_in_exactly_one_group() -> None:
    assert sorted(code for codes in ERROR_CODE_GROUPS.values() for code in codes) == sorted(
        {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}
    )
    assert all(map(is_error_code, {**FIXES_BY_ERROR_CODE, **USAGE_ROW_FIXES}))


@pytest.mark.parametrize("text", ["", "No", "a b", "a\0", "a" * 65])
def test_malformed_text_is_not_an_error_code(text: str) -> None:
    assert not is_error_code(text)
