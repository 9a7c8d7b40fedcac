"""Questions for values of a quantity: which asset and words they name, and which points fit."""

from uuid import UUID

import pytest

from gateway.plant.assets.values import Node, NodeKind
from gateway.plant.questions.asked_quantity import (
    NamedPoint,
    asked_quantity,
    fitting_points,
    unknown_code,
)
from gateway.plant.questions.recognition import may_ask_plant
from gateway.plant.questions.values import AskedPoint
from gateway.plant.questions.vocabulary import NamedNode, Vocabulary, VocabularySource
from gateway.plant.questions.vocabulary import build_vocabulary as build


def asset(code: str, name: str) -> NamedNode:
    return NamedNode(Node(NodeKind.ASSET, code), (name,), "equipment")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """Three pumps and a failure mode whose name is that of a quantity."""
    vibration = NamedNode(Node(NodeKind.FAILURE_MODE, "vibration"), ("Vibration",))
    pumps = [asset("P-101", "Feed pump 1"), asset("P-103", "Feed pump 3"), asset("B-3", "给水泵3")]
    return build(VocabularySource([*pumps, vibration]))


def point(number: int, tag: str, name: str, concept: str = "", depth: int = 0) -> NamedPoint:
    asked = AskedPoint(UUID(int=number), tag, name, "degC", None)
    return NamedPoint(asked, ("own", concept) if concept else ("", ""), depth)


POINTS = (
    point(1, "P-101.TI1", "轴承温度"),
    point(2, "P-101.TI2", "Motor temperature"),
    point(3, "P-101.PI1", "Discharge pressure"),
    point(4, "P-101.X", "", "Vibration_Velocity"),
    point(5, "M-1.TI9", "Temperature", depth=1),
)


class TestAskedQuantity:
    @pytest.mark.parametrize(
        ("text", "assets", "words"),
        [
            ("P-101 轴承温度现在多少？", {"P-101"}, {"bearing", "temperature"}),
            ("What is the bearing temperature of P-101?", {"P-101"}, {"bearing", "temperature"}),
            ("What is the outlet pressure of pump 3?", {"P-103", "B-3"}, {"discharge", "pressure"}),
            ("3号泵出口压力是多少", {"P-103", "B-3"}, {"discharge", "pressure"}),
            ("How hot is P-101?", {"P-101"}, {"temperature"}),
            ("What's the current vibration of feed pump 1?", {"P-101"}, {"vibration"}),
            ("P-101现在振动多少？", {"P-101"}, {"vibration"}),
            ("Show me the latest temperature of P-101 please", {"P-101"}, {"temperature"}),
        ],
    )  # fmt: skip
    def test_asset_and_words_are_found(
        self, vocabulary: Vocabulary, text: str, assets: set[str], words: set[str]
    ) -> None:
        asked = asked_quantity(text, vocabulary)
        assert asked is not None
        assert {one.code for one in asked.assets} == assets
        assert asked.words == words

    @pytest.mark.parametrize(
        "text",
        [
            "P-101振动过几次？",
            "P-101出现过多少次振动？",
            "How many times did P-101 have vibration?",
            "What causes vibration of P-101?",
            "When was the last vibration of P-101?",
            "What is the temperature of X-999?",
            "What is the difference of temperature between P-101 and P-103?",
            "What is P-101?",
            "temperature P-101",
            "",
        ],
    )
    def test_other_questions_are_left_to_the_rules(self, vocabulary: Vocabulary, text: str) -> None:
        assert asked_quantity(text, vocabulary) is None


def test_words_that_no_plant_shares_are_told_apart(vocabulary: Vocabulary) -> None:
    asked = asked_quantity("What is the temperature limit of P-101?", vocabulary)
    assert asked is not None
    assert asked.others == {"limit"}
    plain = asked_quantity("What is the suction pressure of P-101?", vocabulary)
    assert plain is not None
    assert plain.others == frozenset()


class TestUnknownCode:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("What is the current value of TI-999?", "TI-999"),
            ("X-999的温度是多少？", "X-999"),
            ("What is the reading of FIC_200.PV now", "FIC_200.PV"),
            ("What is the reading of P-101 now", ""),
            ("What is the difference between TI-998 and TI-999?", ""),
            ("Why does TI-999 oscillate?", ""),
        ],
    )
    def test_tag_of_no_point_is_named(self, vocabulary: Vocabulary, text: str, code: str) -> None:
        assert unknown_code(text, vocabulary) == code


class TestFittingPoints:
    def fit(self, vocabulary: Vocabulary, text: str) -> tuple[list[str], list[str]]:
        asked = asked_quantity(text, vocabulary)
        assert asked is not None
        fit = fitting_points(asked, POINTS)
        return [one.tag for one in fit.fitting], [one.tag for one in fit.similar]

    @pytest.mark.parametrize(
        ("text", "fitting", "similar"),
        [
            ("P-101 bearing temperature now?", ["P-101.TI1"], []),
            ("P-101的电机温度现在多少", ["P-101.TI2"], []),
            ("What is the vibration of P-101?", ["P-101.X"], []),
            ("What is the temperature of P-101?", ["P-101.TI1", "P-101.TI2"], []),
            ("What is the suction pressure of P-101?", [], ["P-101.PI1"]),
            ("What is the flow of P-101?", [], []),
        ],
    )
    def test_points_with_all_words_fit(
        self, vocabulary: Vocabulary, text: str, fitting: list[str], similar: list[str]
    ) -> None:
        assert self.fit(vocabulary, text) == (fitting, similar)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("P-101 轴承温度现在多少？", True),
        ("What is the discharge pressure of pump 3?", True),
        ("What is the last value of P-101.VIB?", True),
        ("What is the capital of France?", False),
        ("我的名字是什么？", False),
    ],
)
def test_questions_for_values_are_offered_to_the_plant(text: str, may: bool) -> None:
    assert may_ask_plant(text) is may
