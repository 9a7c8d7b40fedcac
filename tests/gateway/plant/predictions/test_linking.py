"""Which assets a text names."""

from uuid import UUID

import pytest

from gateway.plant.predictions.linking import (
    AssetKey,
    Names,
    find_candidates,
    find_mentions,
    fold,
)

KEYS = (
    AssetKey(UUID(int=1), "P-101", "Feed pump"),
    AssetKey(UUID(int=2), "P-101-A", "Spare pump"),
    AssetKey(UUID(int=3), "P-1", "泵"),
    AssetKey(UUID(int=4), "300", "Line 2"),
    AssetKey(UUID(int=5), "Works/Line 2/F-3", "给水泵"),
    AssetKey(UUID(int=6), "F-9", "Feed pump"),
    AssetKey(UUID(int=7), "--", "1.5"),
)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("How long will pump P-101 last?", ["P-101"]),
        ("P-101 泵还能用多久？", ["P-101"]),
        ("ｐ１０１还能用多久", ["P-101"]),
        ("Is P_101 fine, and P-101-A too?", ["P-101", "P-101-A"]),
        ("给水泵还能用多久？", ["Works/Line 2/F-3"]),
        ("the feed pump", ["P-101", "F-9"]),
        ("300 kPa at XP-101 and P-1012", []),
        ("Works/Line 2/F-3 runs", ["Works/Line 2/F-3"]),
        ("line 2 stops", ["300"]),
        ("", []),
    ],
)
def test_assets_are_found_by_code_or_name_with_word_boundaries(text: str, codes: list[str]) -> None:
    assert [one.code for one in find_mentions(fold(text), KEYS)] == codes


def test_candidates_are_found_among_all_names_whatever_separates_their_parts() -> None:
    by_name = {"p101": [KEYS[0]], "feedpump": [KEYS[0], KEYS[5]], "给水泵": [KEYS[4]]}
    names = Names.of(by_name)
    found = find_candidates(fold("Ｐ-101 and the feed-pump"), names)
    assert {one.code for one in found} == {"P-101", "F-9"}
    assert find_candidates("", names) == []
