"""Verdicts of guard models in OpenAI's categories."""

import pytest

from gateway.call.errors import UpstreamFailed
from gateway.wire.moderation.verdicts import CATEGORIES, GuardVerdict, parse_verdict, result_of
from models.catalog import GuardFormat

LLAMA, QWEN = GuardFormat.LLAMA_GUARD, GuardFormat.QWEN_GUARD
ILLEGAL, VIOLENT = "Non-violent Illegal Acts", "Violent"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("\n\nsafe", GuardVerdict("safe")),
        ("Safe\n", GuardVerdict("safe")),
        ("unsafe\nS1", GuardVerdict("unsafe", ("S1",))),
        ("unsafe\nS1,S10, S1", GuardVerdict("unsafe", ("S1", "S10"))),
        ("unsafe", GuardVerdict("unsafe")),
    ],
)
def test_verdict_of_llama_guard_is_read(text: str, verdict: GuardVerdict) -> None:
    assert parse_verdict(text, LLAMA) == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Safety: Safe\nCategories: None", GuardVerdict("safe")),
        ("Safety: Safe\nCategories: None\nRefusal: Yes", GuardVerdict("safe")),
        ("Safety: Unsafe\nCategories: Violent", GuardVerdict("unsafe", (VIOLENT,))),
        (
            f"Safety: Unsafe\nCategories: {ILLEGAL}, {VIOLENT}, {VIOLENT}\nRefusal: No",
            GuardVerdict("unsafe", (ILLEGAL, VIOLENT)),
        ),
        ("Safety: Controversial\nCategories: PII\n", GuardVerdict("controversial", ("PII",))),
        ("Safety: Unsafe", GuardVerdict("unsafe")),
    ],
)
def test_verdict_of_qwen_guard_is_read(text: str, verdict: GuardVerdict) -> None:
    assert parse_verdict(text, QWEN) == verdict


@pytest.mark.parametrize(
    ("text", "form"),
    [
        *((text, LLAMA) for text in ("", "safety first", "S1", "The text is unsafe.")),
        *((text, QWEN) for text in ("", "unsafe", "Safety: Unsafely\n", "It is Safety: Safe")),
    ],
)
def test_other_answers_are_no_verdict(text: str, form: GuardFormat) -> None:
    with pytest.raises(UpstreamFailed):
        parse_verdict(text, form)


def test_long_list_of_categories_is_cut() -> None:
    named = ", ".join(f"{number} {'x' * 200}" for number in range(100))
    hazards = parse_verdict(f"Safety: Unsafe\nCategories: {named}", QWEN).hazards
    assert (len(hazards), len(hazards[0])) == (20, 80)


def test_safe_text_has_no_category() -> None:
    result = result_of(GuardVerdict("safe"), ("text",))
    assert not result["flagged"]
    assert result["categories"].keys() == set(CATEGORIES)
    assert not any(result["category_scores"].values())


def test_hazard_without_a_category_is_flagged_by_its_code() -> None:
    result = result_of(GuardVerdict("unsafe", ("S7",)), ("text",))
    assert (result["flagged"], any(result["categories"].values())) == (True, False)
    assert result["x_maas_hazards"] == ["S7"]


def test_hazards_with_the_same_category_flag_it_once() -> None:
    result = result_of(GuardVerdict("unsafe", ("S3", "S12")), ("text", "image"))
    assert [name for name, is_found in result["categories"].items() if is_found] == ["sexual"]
    assert result["category_applied_input_types"]["hate"] == ["text", "image"]


def test_controversial_text_is_flagged_by_half() -> None:
    result = result_of(GuardVerdict("controversial", (VIOLENT,)), ("text",))
    assert (result["flagged"], result["category_scores"]["violence"]) == (True, 0.5)
    assert result["x_maas_safety"] == "controversial"
