"""Parameters of the AAS API."""

import base64

import pytest

from gateway.plant.aas_api.errors import AasParameterInvalid
from gateway.plant.aas_api.parameters import (
    AssetIdFilter,
    PageRequest,
    check_choice,
    decode_id,
    encode_id,
    page_of,
    parse_asset_ids,
    parse_flag,
    parse_page,
)


@pytest.mark.parametrize("identifier", ["a", "ab", "abc", "urn:x:泵/1?", "~" * 30])
def test_id_is_decoded_with_and_without_padding(identifier: str) -> None:
    padded = base64.urlsafe_b64encode(identifier.encode()).decode()
    assert decode_id(padded, "id") == decode_id(encode_id(identifier), "id") == identifier


@pytest.mark.parametrize("text", ["invalid-base64url=====", "a", "+/+/", "ü", "//8"])
def test_text_that_is_not_base64url_is_invalid(text: str) -> None:
    with pytest.raises(AasParameterInvalid):
        decode_id(text, "id")


def test_pages_follow_each_other_by_cursor() -> None:
    entries = list(range(5))
    page, found, cursor = parse_page("2", None), [], None
    while True:
        shown, metadata = page_of(entries, page, str)
        found += shown
        cursor = metadata.get("cursor")
        if cursor is None:
            break
        page = parse_page("2", cursor)
    assert found == ["0", "1", "2", "3", "4"]


def test_page_has_a_default_limit_and_begins_at_the_start() -> None:
    assert parse_page(None, None) == PageRequest(100, 0)


@pytest.mark.parametrize("limit", ["-1", "0", "501", "x", "", "９", "1" * 5000])
def test_invalid_limit_is_refused(limit: str) -> None:
    with pytest.raises(AasParameterInvalid):
        parse_page(limit, None)


@pytest.mark.parametrize("cursor", ["=", encode_id("-1"), encode_id("x"), encode_id("1" * 20)])
def test_cursor_that_no_list_returned_is_refused(cursor: str) -> None:
    with pytest.raises(AasParameterInvalid):
        parse_page(None, cursor)


def test_asset_ids_are_pairs_or_a_global_id() -> None:
    pair = encode_id('{"name": "code", "value": "P-1"}')
    assert parse_asset_ids([f"{pair},{encode_id('urn:a')}"]) == [
        AssetIdFilter("code", "P-1"),
        AssetIdFilter("globalAssetId", "urn:a"),
    ]


@pytest.mark.parametrize("text", ['{"name": 1}', "{", '{"a":' * 3000, '{"name": "a"}'])
def test_asset_id_without_name_and_value_is_refused(text: str) -> None:
    with pytest.raises(AasParameterInvalid):
        parse_asset_ids([encode_id(text)])


def test_choices_and_flags_have_defaults_and_refuse_other_values() -> None:
    assert check_choice(None, ("deep", "core"), "level") == "deep"
    assert parse_flag(None, "flag")
    assert not parse_flag("False", "flag")
    with pytest.raises(AasParameterInvalid):
        check_choice("CORE", ("deep", "core"), "level")
    with pytest.raises(AasParameterInvalid):
        parse_flag("maybe", "flag")
