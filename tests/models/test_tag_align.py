"""Tag alignment: ranking, confirmations, validation and proposals.

Uses small vocabularies, and the committed artefact on common tags.
"""

import pytest

from models.tag_align.aligner import MAX_TAGS, TagAligner, TooManyTags
from models.tag_align.confirmations import (
    MAX_CONFIRMATIONS,
    Confirmation,
    ReplacedConfirmation,
    TooManyConfirmations,
    VariantBroken,
)
from models.tag_align.naming import MAX_TAG_LENGTH, TagInvalid
from models.tag_align.vocabulary import Concept, ConceptUnknown, Scheme, Vocabulary

CONCEPTS = tuple(
    Concept("plant", name.replace(" ", "_"), name)
    for name in (
        "room temperature sensor",
        "room temperature setpoint",
        "supply air temperature sensor",
        "supply air flow sensor",
        "damper position sensor",
        "alarm",
    )
)
ABBREVIATIONS = (
    ("temp", "temperature"),
    ("stpt", "setpoint"),
    ("sat", "supply air temperature"),
    ("raumtemperatur", "room temperature"),
    ("送风", "supply air"),
    ("温度", "temperature"),
)
SENSOR, SETPOINT, ALARM = "room_temperature_sensor", "room_temperature_setpoint", "alarm"
UNREADABLE = {
    "empty": ("", "empty"),
    "blank": (" \t ", "empty"),
    "too long": ("x" * 10_000, "10000 characters"),
    "control character": ("room\x00temp", r"U\+0000"),
    "lone surrogate": ("room\ud800", r"U\+D800"),
}


@pytest.fixture(scope="module")
def aligner() -> TagAligner:
    return TagAligner.from_concepts(CONCEPTS, Vocabulary(CONCEPTS, ABBREVIATIONS))


def first(aligner: TagAligner, tag: str) -> str:
    return aligner.align([tag], 1)[0][0].concept.id


def boxes(count: int, point: str, concept: str) -> list[Confirmation]:
    return [Confirmation(f"VAV-{number}.{point}", concept) for number in range(count)]


class TestTagAlignment:
    @pytest.mark.parametrize(
        ("tag", "concept"),
        [
            ("AHU1_SAT", "supply_air_temperature_sensor"),
            ("RoomTempStpt12", SETPOINT),
            ("R465 Raumtemperatur", SENSOR),
            ("2号机组送风温度", "supply_air_temperature_sensor"),
            ("ＲＯＯＭ\u200bＴＥＭＰ", SENSOR),
            ("楼层3 room 温度 T1", SENSOR),
        ],
    )
    def test_tag_gets_expected_concept(self, aligner: TagAligner, tag: str, concept: str) -> None:
        assert first(aligner, tag) == concept

    def test_candidates_are_sorted_by_score(self, aligner: TagAligner) -> None:
        (candidates,) = aligner.align(["room temp"], 3)
        scores = [one.score for one in candidates]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)

    def test_tag_without_words_gets_no_candidates(self, aligner: TagAligner) -> None:
        assert aligner.align(["--- ///", "42"]) == [(), ()]
        assert aligner.align([]) == []

    @pytest.mark.parametrize(("tag", "fact"), UNREADABLE.values(), ids=UNREADABLE)
    def test_unreadable_tag_is_rejected_with_index(
        self, aligner: TagAligner, tag: str, fact: str
    ) -> None:
        with pytest.raises(TagInvalid, match=f"Tag 1: .*{fact}"):
            aligner.align(["room temp", tag])

    def test_tag_of_maximum_length_is_accepted(self, aligner: TagAligner) -> None:
        assert first(aligner, "room temp " + "x" * (MAX_TAG_LENGTH - 10)) == SENSOR

    def test_too_many_tags_are_rejected(self, aligner: TagAligner) -> None:
        with pytest.raises(TooManyTags, match=str(MAX_TAGS)):
            aligner.align(["a"] * (MAX_TAGS + 1))

    def test_duplicate_concept_ids_are_rejected(self) -> None:
        with pytest.raises(ValueError, match="each id once"):
            TagAligner.from_concepts([CONCEPTS[0]] * 2, Vocabulary((), ()))


class TestConfirmationLearning:
    def test_confirmation_applies_to_tags_of_same_pattern(self, aligner: TagAligner) -> None:
        learned = aligner.learn([Confirmation("VAV-1.QX", SETPOINT)]).aligner
        assert first(learned, "VAV-7.QX") == SETPOINT
        assert aligner.align(["VAV-7.QX"]) == [()]
        assert not aligner.confirmed

    def test_later_confirmation_of_tag_replaces_earlier_confirmation(
        self, aligner: TagAligner
    ) -> None:
        given = [Confirmation("T1", SENSOR), Confirmation(" T1 ", ALARM)]
        result = aligner.learn(given)
        assert result.corrections == (ReplacedConfirmation("T1", SENSOR, ALARM),)
        assert result.conflicts == ()
        assert first(result.aligner, "T1") == ALARM

    def test_outvoted_confirmation_is_reported_and_not_generalised(
        self, aligner: TagAligner
    ) -> None:
        poisoned = Confirmation("VAV-99.CTL", ALARM)
        result = aligner.learn([*boxes(20, "CTL", SETPOINT), poisoned])
        (conflict,) = result.conflicts
        assert (conflict.concept, conflict.tags, conflict.spread) == (ALARM, ("VAV-99.CTL",), False)
        assert (conflict.leading, conflict.leading_votes) == (SETPOINT, 20)
        assert first(result.aligner, "VAV-99.CTL") == ALARM
        for candidates in result.aligner.align([f"VAV-{n}.CTL" for n in range(100, 140)], 5):
            score = {one.concept.id: one.score for one in candidates}
            assert score[SETPOINT] > 0.8
            assert score.get(ALARM, 0) < 0.1

    def test_close_votes_are_reported_and_both_generalised(self, aligner: TagAligner) -> None:
        result = aligner.learn([*boxes(3, "CTL", SETPOINT), Confirmation("VAV-9.CTL", ALARM)])
        assert [one.spread for one in result.conflicts] == [True]
        (candidates,) = result.aligner.align(["VAV-50.CTL"], 2)
        assert [one.concept.id for one in candidates] == [SETPOINT, ALARM]

    def test_unknown_concept_is_rejected_with_name(self, aligner: TagAligner) -> None:
        with pytest.raises(ConceptUnknown, match="'rm_temp'"):
            aligner.learn([Confirmation("T1", SENSOR), Confirmation("T2", "rm_temp")])

    @pytest.mark.parametrize(("tag", "fact"), UNREADABLE.values(), ids=UNREADABLE)
    def test_unreadable_confirmation_is_rejected(
        self, aligner: TagAligner, tag: str, fact: str
    ) -> None:
        with pytest.raises(TagInvalid, match=f"Confirmation 0: .*{fact}"):
            aligner.learn([Confirmation(tag, SENSOR)])

    def test_too_many_confirmations_are_rejected(self, aligner: TagAligner) -> None:
        with pytest.raises(TooManyConfirmations, match=str(MAX_CONFIRMATIONS)):
            aligner.learn(boxes(MAX_CONFIRMATIONS + 1, "CTL", SETPOINT))

    def test_empty_confirmations_change_no_results(self, aligner: TagAligner) -> None:
        learned = aligner.learn([]).aligner
        assert learned.align(["AHU1_SAT"]) == aligner.align(["AHU1_SAT"])

    def test_confirmed_tag_without_words_is_not_generalised(self, aligner: TagAligner) -> None:
        learned = aligner.learn([Confirmation("--", ALARM), Confirmation("17", SENSOR)]).aligner
        assert first(learned, "--") == ALARM
        assert learned.align(["++"]) == [()]


class TestTagAlignmentVariant:
    def test_saved_variant_gives_the_same_results(self, aligner: TagAligner) -> None:
        learned = aligner.learn([*boxes(3, "QX", SETPOINT), Confirmation("送风T", ALARM)]).aligner
        again = aligner.with_variant(learned.variant())
        tags = ["VAV-77.QX", "AHU1_SAT", "送风T", "送风温度"]
        assert again.align(tags) == learned.align(tags)
        assert again.variant() == learned.variant()

    def test_incremental_learning_equals_learning_at_once(self, aligner: TagAligner) -> None:
        one, two = boxes(2, "QX", SETPOINT), boxes(2, "ZZ", ALARM)
        steps = aligner.learn(one).aligner.learn(two).aligner
        assert steps.variant() == aligner.learn([*one, *two]).aligner.variant()

    @pytest.mark.parametrize(
        "variant",
        [
            b"",
            b"\xff",
            b"[]",
            b'{"version": 2, "confirmations": []}',
            b'{"version": 1, "confirmations": [["tag"]]}',
            b'{"version": 1, "confirmations": [["tag", 3]]}',
        ],
    )
    def test_invalid_bytes_are_rejected(self, aligner: TagAligner, variant: bytes) -> None:
        with pytest.raises(VariantBroken):
            aligner.with_variant(variant)

    def test_variant_of_other_vocabulary_is_rejected(self, aligner: TagAligner) -> None:
        other = TagAligner.from_concepts([Concept("plant", "x", "x")], Vocabulary((), ()))
        kept = aligner.learn(boxes(1, "QX", ALARM)).aligner.variant()
        with pytest.raises(ConceptUnknown, match="'alarm'"):
            other.with_variant(kept)


class TestProposals:
    TAGS = (
        *(f"VAV-{number}.dmpr pos" for number in range(30)),
        *(f"VAV-{number}.room temp" for number in range(20)),
        "chiller plant remote lockout",
    )

    def test_largest_clusters_are_proposed_first_and_once(self, aligner: TagAligner) -> None:
        assert aligner.propose(self.TAGS, 10) == (
            "VAV-0.dmpr pos",
            "VAV-0.room temp",
            "chiller plant remote lockout",
        )

    def test_confirmed_patterns_are_not_proposed(self, aligner: TagAligner) -> None:
        learned = aligner.learn(boxes(1, "dmpr pos", "damper_position_sensor")).aligner
        assert learned.propose(self.TAGS, 1) == ("VAV-0.room temp",)

    def test_empty_input_or_zero_count_returns_no_proposals(self, aligner: TagAligner) -> None:
        assert aligner.propose([], 5) == ()
        assert aligner.propose(self.TAGS, 0) == ()
        assert aligner.propose(["--"], 5) == ()

    def test_unreadable_tag_is_rejected(self, aligner: TagAligner) -> None:
        with pytest.raises(TagInvalid, match="Tag 0"):
            aligner.propose([""], 1)


@pytest.mark.parametrize(
    ("tag", "scheme", "name"),
    [
        ("SODA1R465__ART", Scheme.BUILDING_POINT, "room temperature sensor"),
        ("AHU3_OAT", Scheme.BRICK, "Outside Air Temperature Sensor"),
        ("Seriennummer", Scheme.AAS, "serial number"),
    ],
)
def test_committed_tag_vocabulary_aligns_common_tags(tag: str, scheme: Scheme, name: str) -> None:
    (candidates,) = TagAligner.load(schemes=[scheme]).align([tag], 5)
    assert name.casefold() in [one.concept.name.casefold() for one in candidates]
