"""Tag to concept with a multilingual encoder: a stand-in for it.

Owns which tags are read by meaning and what that adds to letters.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.multilingual import Vectors
from models.tag_align.aligner import ALWAYS_SEMANTIC, SETTINGS, Basis, TagAligner
from models.tag_align.confirmations import Confirmation
from models.tag_align.vocabulary import Concept, Vocabulary

CONCEPTS = tuple(Concept("plant", name, name) for name in ("alarm", "damper position sensor"))
VOCABULARY = Vocabulary(CONCEPTS, (("pos", "position"),))


class Bilingual:
    """An encoder for which two words mean the same, and which keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def vectors(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        axes = {"frobnik": 0, "alarm": 0, "damper position sensor": 1}
        rows = np.eye(4, dtype=np.float32)
        return rows[[axes.get(text, 2) for text in texts]]


@pytest.fixture
def bilingual() -> Bilingual:
    return Bilingual()


@pytest.fixture
def aligner(bilingual: Bilingual) -> TagAligner:
    made = TagAligner.from_concepts(CONCEPTS, VOCABULARY, bilingual)
    bilingual.asked.clear()
    return made


@pytest.fixture
def letters() -> TagAligner:
    return TagAligner.from_concepts(CONCEPTS, VOCABULARY)


class TestMeaning:
    def test_it_reaches_what_letters_do_not(self, aligner: TagAligner, letters: TagAligner) -> None:
        answer = aligner.align_tag("frobnik", 1)
        assert [one.concept.id for one in answer.candidates] == ["alarm"]
        assert answer.basis is Basis.MEANING
        assert letters.align_tag("frobnik").candidates == ()

    @pytest.mark.parametrize("tag", ["AHU-3.damper pos", "alarm", "AI_07", "QX 12", "§§"])
    def test_what_letters_settle_or_nobody_can_read_is_not_encoded(
        self, aligner: TagAligner, letters: TagAligner, bilingual: Bilingual, tag: str
    ) -> None:
        assert aligner.align_tag(tag) == letters.align_tag(tag)
        assert aligner.align_tag(tag).basis is Basis.LETTERS
        assert bilingual.asked == []

    def test_one_known_word_does_not_settle_a_tag_of_strange_ones(
        self, aligner: TagAligner
    ) -> None:
        assert aligner.align_tag("frobnikation alarm").basis is Basis.MEANING
        assert aligner.align_tag("QX12 alarm").basis is Basis.LETTERS

    def test_numbers_are_not_encoded(self, aligner: TagAligner, bilingual: Bilingual) -> None:
        assert aligner.align_tag("frobnik 12") == aligner.align_tag("frobnik 7")
        assert set(bilingual.asked) == {"frobnik"}

    def test_a_caller_may_do_without(self, aligner: TagAligner, bilingual: Bilingual) -> None:
        assert aligner.align_tag("frobnik", use_embeddings=False).basis is Basis.LETTERS
        assert bilingual.asked == []

    def test_it_can_be_asked_of_every_tag(self, bilingual: Bilingual) -> None:
        always = replace(SETTINGS, min_spelling_score=ALWAYS_SEMANTIC)
        aligner = TagAligner.from_concepts(CONCEPTS, VOCABULARY, bilingual, always)
        assert aligner.align_tag("alarm").basis is Basis.MEANING


class TestVariants:
    GIVEN = (
        Confirmation("hall frobnik 1", "damper position sensor"),
        Confirmation("roof QX 1", "alarm"),
    )

    def test_they_learn_the_same_with_and_without(
        self, aligner: TagAligner, letters: TagAligner, bilingual: Bilingual
    ) -> None:
        ours, plain = aligner.learn(self.GIVEN).aligner, letters.learn(self.GIVEN).aligner
        assert bilingual.asked == []
        assert ours.variant() == plain.variant()
        assert ours.corrections is not None
        assert plain.corrections is not None
        assert np.array_equal(ours.corrections.weights, plain.corrections.weights)

    def test_what_is_confirmed_is_settled(self, aligner: TagAligner, bilingual: Bilingual) -> None:
        learned = aligner.learn(self.GIVEN).aligner
        own, kin = learned.align_tag("hall frobnik 1", 1), learned.align_tag("hall frobnik 2", 1)
        assert (own.basis, kin.basis) == (Basis.CONFIRMED, Basis.LETTERS)
        assert [one.candidates[0].concept.id for one in (own, kin)] == [
            "damper position sensor"
        ] * 2
        assert bilingual.asked == []

    def test_what_is_like_nothing_confirmed_is_read_as_before(self, aligner: TagAligner) -> None:
        learned = aligner.learn(self.GIVEN[1:]).aligner
        assert learned.align_tag("frobnik", 1).basis is Basis.MEANING
        assert learned.align_tag("frobnik", 1).candidates[0].concept.id == "alarm"
