"""Fine-tuning of tag alignment: results and validation of the training file."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from models.adaptation import TrainingFileInvalid
from models.tag_align.adapt import adapt, aligners, load_variant_aligner
from models.tag_align.aligner import TagAligner
from tests.support.nightly import nightly

BRICK = "https://brickschema.org/schema/Brick#"
# A plant with arbitrary words.
WORDS = {
    "ZULU": f"{BRICK}Supply_Air_Temperature_Sensor",
    "FRED": f"{BRICK}Return_Air_Temperature_Sensor",
    "BERT": f"{BRICK}Room_Air_Temperature_Sensor",
    "OTTO": f"{BRICK}Supply_Air_Flow_Sensor",
}
PLACES = ("north", "south", "east", "west", "roof", "cellar", "hall", "yard")
LINES = [
    {"tag": f"{place}_{word}_{number}", "concept": concept}
    for place in PLACES
    for number, (word, concept) in enumerate(WORDS.items())
]


def file(*lines: Any) -> bytes:
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in lines).encode()


@pytest.fixture(scope="module")
def bases() -> Mapping[str, TagAligner]:
    return aligners()


class TestTagAlignmentFineTuning:
    def test_variant_learns_plant_specific_words(self, bases: Mapping[str, TagAligner]) -> None:
        said: list[str] = []
        made = adapt(file(*LINES), said.append)
        assert made.score.base == pytest.approx(0, abs=0.3)
        assert made.score.adapted > 0.8
        assert made.examples == len(LINES)
        assert "held-out" in said[1]
        scheme, variant = load_variant_aligner(bases, made.artefact)
        assert scheme == "brick"
        assert variant.align(["garage_OTTO_17"])[0][0].concept.id == WORDS["OTTO"]

    @nightly
    def test_fine_tuning_is_deterministic(self) -> None:
        first, again = (adapt(file(*LINES), lambda _: None) for _ in range(2))
        assert first == again

    @nightly
    def test_contradictory_confirmations_are_reported(self) -> None:
        said: list[str] = []
        odd = [{"tag": "north_ZULU_9", "concept": WORDS["FRED"]}]
        adapt(file(*LINES, *odd), said.append)
        assert any("north_ZULU_9" in sentence for sentence in said)

    @nightly
    def test_random_labels_give_low_score(self) -> None:
        concepts = list(WORDS.values())
        known = [
            {"tag": f"{place} supply air temp {number}", "concept": concepts[number % 4]}
            for number, place in enumerate(PLACES * 4)
        ]
        made = adapt(file(*known), lambda _: None)
        assert made.score.adapted < 0.8

    def test_other_scheme_keeps_its_concepts(self, bases: Mapping[str, TagAligner]) -> None:
        concepts = bases["aas"].names.concepts
        lines = [
            {"tag": f"{place} K{at % 3}", "concept": concepts[at % 3].id}
            for at, place in enumerate(PLACES * 2)
        ]
        made = adapt(file(*lines), lambda _: None)
        scheme, variant = load_variant_aligner(bases, made.artefact)
        assert scheme == "aas"
        assert variant.positions == bases["aas"].positions


class TestOwnConceptsInTrainingFile:
    OWN = (
        *({"concept": id, "name": name} for id, name in (("RT", "Room"), ("SAT", "Supply air"))),
        *(
            {"tag": f"{place} {('qx', 'zy')[at % 2]}", "concept": ("RT", "SAT")[at % 2]}
            for place in PLACES
            for at in range(2)
        ),
    )

    def test_variant_aligns_with_own_concepts(self, bases: Mapping[str, TagAligner]) -> None:
        made = adapt(file(*self.OWN), lambda _: None)
        assert made.score.improvement is not None
        scheme, variant = load_variant_aligner(bases, made.artefact)
        assert (scheme, set(variant.positions)) == ("own", {"RT", "SAT"})

    def test_concept_that_is_not_among_own_ones_is_rejected(self) -> None:
        foreign = {"tag": "A", "concept": WORDS["OTTO"]}
        with pytest.raises(TrainingFileInvalid, match="Line 19: the vocabulary has no concept"):
            adapt(file(*self.OWN, foreign), lambda _: None)

    def test_concept_listed_twice_is_rejected(self) -> None:
        with pytest.raises(TrainingFileInvalid, match="twice"):
            adapt(file(self.OWN[0], *self.OWN), lambda _: None)


class TestTrainingFileValidation:
    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            ({"tag": "", "concept": WORDS["OTTO"]}, "Line 33, `tag`"),
            ({"tag": "x" * 600, "concept": WORDS["OTTO"]}, "Line 33, `tag`"),
            ({"tag": "A"}, "Line 33: .*`concept`"),
            ({"tag": 7, "concept": "x"}, "Line 33: Expected `str`"),
            ({"tag": "A", "concept": "x", "more": 1}, "Line 33: .*`more`"),
            ({"tag": "A", "concept": "Temperature"}, "no concept 'Temperature'"),
        ],
    )
    def test_invalid_line_is_rejected_with_reason(self, bad: Any, said: str) -> None:
        with pytest.raises(TrainingFileInvalid, match=said):
            adapt(file(*LINES, bad), lambda _: None)

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ([], "There are 0 tags"),
            (LINES[:9], "There are 9 tags"),
            ([{**line, "concept": WORDS["OTTO"]} for line in LINES], "the same concept"),
            (
                [
                    {"tag": f"TAG{number}", "concept": list(WORDS.values())[number % 2]}
                    for number in range(20)
                ],
                "differ in numbers only",
            ),
        ],
    )
    def test_file_without_enough_variation_is_rejected(self, lines: list[Any], said: str) -> None:
        with pytest.raises(TrainingFileInvalid, match=said):
            adapt(file(*lines), lambda _: None)

    def test_concepts_of_several_schemes_are_rejected(
        self, bases: Mapping[str, TagAligner]
    ) -> None:
        foreign = {"tag": "Hersteller", "concept": bases["aas"].names.concepts[0].id}
        with pytest.raises(TrainingFileInvalid, match="several schemes"):
            adapt(file(*LINES, foreign), lambda _: None)


class TestComparisonWithTheVersionInUse:
    def test_new_kinds_of_tags_are_compared(self) -> None:
        known = [{**line, "earlier": line["concept"]} for line in LINES[:16]]
        current = adapt(file(*known, *LINES[16:]), lambda _: None).score.current
        assert current is not None
        assert current.examples == len(LINES) - 16
        low, high = current.improvement
        assert low <= current.adapted - current.current <= high

    @nightly
    def test_nothing_is_compared_without_new_kinds_or_earlier_version(self) -> None:
        known = [{**line, "earlier": line["concept"]} for line in LINES]
        assert adapt(file(*known), lambda _: None).score.current is None
        assert adapt(file(*LINES), lambda _: None).score.current is None

    @nightly
    def test_earlier_concept_that_is_gone_is_ignored(self) -> None:
        known = [{**line, "earlier": "gone"} for line in LINES[:16]]
        assert adapt(file(*known, *LINES[16:]), lambda _: None).score.current is None
