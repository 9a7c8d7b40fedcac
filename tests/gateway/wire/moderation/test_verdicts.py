"""Verdicts of guard models in OpenAI's categories."""

import pytest

from gateway.call.errors import UpstreamFailed
from gateway.wire.moderation.verdicts import CATEGORIES, parse_verdict, result_of


@pytest.mark.parametrize(
    ("text", "hazards"),
    [
        ("\n\nsafe", None),
        ("Safe\n", None),
        ("unsafe\nS1", ("S1",)),
        ("unsafe\nS1,S10, S1", ("S1", "S10")),
        ("unsafe", ()),
    ],
)
def test_verdict_is_read(text: str, hazards: tuple[str, ...] | None) -> None:
    assert parse_verdict(text) == hazards


@pytest.mark.parametrize("text", ["", "safety first", "S1", "The text is unsafe."])
def test_other_answers_are_no_verdict(text: str) -> None:
    with pytest.raises(UpstreamFailed):
        parse_verdict(text)


def test_safe_text_has_no_category() -> None:
    result = result_of(None, ("text",))
    assert not result["flagged"]
    assert result["categories"].keys() == set(CATEGORIES)
    assert not any(result["category_scores"].values())


def test_hazard_without_a_category_is_flagged_by_its_code() -> None:
    result = result_of(("S7",), ("text",))
    assert (result["flagged"], any(result["categories"].values())) == (True, False)
    assert result["x_maas_hazards"] == ["S7"]


def test_hazards_with_the_same_category_flag_it_once() -> None:
    result = result_of(("S3", "S12"), ("text", "image"))
    assert [name for name, is_found in result["categories"].items() if is_found] == ["sexual"]
    assert result["category_applied_input_types"]["hate"] == ["text", "image"]
