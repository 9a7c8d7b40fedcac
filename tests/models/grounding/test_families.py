"""Items that the documents lack, while they have others of the same family."""

import pytest

from models.grounding.answer import Grounding
from models.grounding.check import AnswerChecker
from models.grounding.draft import GrowingDraft
from models.grounding.families import lacks_asked_item

DRIVES = "VK7-22: trips at 86 °C with E-23. VK7-55: warns at 83 °C with A-23."
LISTS = "Models VK7-22/55/90 and QF3-10, 20 or 40. Codes E-20 to E-29: supply."
CHINESE = (
    "3 号机锁模力 138 t，7 号机 245 t。夹紧 A 60 bar，夹紧 B 92 bar。"
    "甲区 60 ℃，乙区 80 ℃。一线 8 点。"
)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("At what temperature does the VK7-90 trip?", DRIVES),
        ("What does E-27 mean?", DRIVES),
        ("Was bedeutet A24?", DRIVES),
        ("What does E-31 mean?", LISTS),
        ("Is there a VK7-75?", LISTS),
        ("5 号机的锁模力是多少？", CHINESE),
        ("夹紧 C 的压力是多少？", CHINESE),
        ("丙区多少度？", CHINESE),
        ("三线几点接班？", CHINESE),
        ("How fast is line 4?", "Line 1 runs at 2 m/min, line 2 at 3 m/min."),
        ("What is checked at seat C?", "Seat A and seat B are checked for runout."),
    ],
)
def test_item_without_a_passage_is_lacking_beside_others_of_its_family(
    question: str, passage: str
) -> None:
    assert lacks_asked_item(question, [passage])


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("At what temperature does the VK7-55 trip?", DRIVES),
        ("At what temperature does the VK7 trip?", DRIVES),
        ("At what temperature does the vk7 55 warn?", DRIVES),
        ("What does A23 mean?", DRIVES),
        ("Our pump P-101 vibrates. Why?", DRIVES),
        ("Why does it trip at 3 kW and 400 V?", DRIVES),
        ("What should I do?", DRIVES),
        ("Which is stronger, the VK7-55 or the VK7-90?", LISTS),
        ("Is there a QF3-40?", LISTS),
        ("What does E-27 mean?", LISTS),
        ("三号机的锁模力是多少？", CHINESE),
        ("夹紧 B 的压力是多少？", CHINESE),
        ("P-101 振动大是什么原因？", CHINESE),
        ("What does E-27 mean?", ""),
        ("", DRIVES),
    ],
)
def test_item_that_a_passage_names_or_without_a_family_is_not_lacking(
    question: str, passage: str
) -> None:
    assert not lacks_asked_item(question, [passage])


def test_short_answer_on_another_item_of_the_family_is_rejected() -> None:
    question = "At what temperature does the VK7-90 trip?"
    draft = GrowingDraft(question, AnswerChecker(question, (DRIVES,)), 1)
    draft.feed("The VK7 trips at 86 °C [1].")
    draft.finish()
    assert (draft.is_rejected, draft.lacks_answer, draft.released) == (True, True, "")


def test_long_answer_on_another_item_of_the_family_is_kept() -> None:
    question = "Compare the VK7-90 with the VK7-22."
    draft = GrowingDraft(question, AnswerChecker(question, (DRIVES,)))
    draft.feed("The VK7-22 trips at 86 °C [1].")
    draft.finish()
    assert draft.grounding is Grounding.VERIFIED
