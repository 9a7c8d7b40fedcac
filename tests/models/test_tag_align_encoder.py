"""Tag alignment with a fake multilingual encoder: which tags are encoded, and the results."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.multilingual import Vectors
from models.tag_align.aligner import Basis, TagAligner
from models.tag_align.confirmations import Confirmation
from models.tag_align.settings import ALWAYS_SEMANTIC, SETTINGS
from models.tag_align.vocabulary import Concept, Vocabulary

CONCEPTS = tuple(Concept("plant", name, name) for name in ("alarm", "damper position sensor"))
VOCABULARY = Vocabulary(CONCEPTS, (("pos", "position"),))


class Bilingual:
    """A fake encoder for which two words are synonyms; it records the texts that it encodes."""

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


class TestAlignmentByMeaning:
    def test_encoder_finds_concepts_that_letters_do_not(
        self, aligner: TagAligner, letters: TagAligner
    ) -> None:
        answer = aligner.align_tag("frobnik", 1)
        assert [one.concept.id for one in answer.candidates] == ["alarm"]
        assert answer.basis is Basis.MEANING
        assert letters.align_tag("frobnik").candidates == ()

    @pytest.mark.parametrize("tag", ["AHU-3.damper pos", "alarm", "AI_07", "QX 12", "§§"])
    def test_settled_or_unreadable_tags_are_not_encoded(
        self, aligner: TagAligner, letters: TagAligner, bilingual: Bilingual, tag: str
    ) -> None:
        assert aligner.align_tag(tag) == letters.align_tag(tag)
        assert aligner.align_tag(tag).basis is Basis.LETTERS
        assert bilingual.asked == []

    def test_single_vocabulary_word_does_not_settle_unfamiliar_tag(
        self, aligner: TagAligner
    ) -> None:
        assert aligner.align_tag("frobnikation alarm").basis is Basis.MEANING
        assert aligner.align_tag("QX12 alarm").basis is Basis.LETTERS

    def test_numbers_in_tags_are_not_encoded(
        self, aligner: TagAligner, bilingual: Bilingual
    ) -> None:
        assert aligner.align_tag("frobnik 12") == aligner.align_tag("frobnik 7")
        assert set(bilingual.asked) == {"frobnik"}

    def test_embeddings_can_be_disabled_per_call(
        self, aligner: TagAligner, bilingual: Bilingual
    ) -> None:
        assert aligner.align_tag("frobnik", use_embeddings=False).basis is Basis.LETTERS
        assert bilingual.asked == []

    def test_always_semantic_setting_encodes_every_tag(self, bilingual: Bilingual) -> None:
        always = replace(SETTINGS, min_spelling_score=ALWAYS_SEMANTIC)
        aligner = TagAligner.from_concepts(CONCEPTS, VOCABULARY, bilingual, always)
        assert aligner.align_tag("alarm").basis is Basis.MEANING


class TestVariantsWithEncoder:
    GIVEN = (
        Confirmation("hall frobnik 1", "damper position sensor"),
        Confirmation("roof QX 1", "alarm"),
    )

    def test_learning_is_independent_of_encoder(
        self, aligner: TagAligner, letters: TagAligner, bilingual: Bilingual
    ) -> None:
        ours, plain = aligner.learn(self.GIVEN).aligner, letters.learn(self.GIVEN).aligner
        assert bilingual.asked == []
        assert ours.variant() == plain.variant()
        assert ours.corrections is not None
        assert plain.corrections is not None
        assert np.array_equal(ours.corrections.weights, plain.corrections.weights)

    def test_confirmed_patterns_are_settled_without_encoder(
        self, aligner: TagAligner, bilingual: Bilingual
    ) -> None:
        learned = aligner.learn(self.GIVEN).aligner
        own, kin = learned.align_tag("hall frobnik 1", 1), learned.align_tag("hall frobnik 2", 1)
        assert (own.basis, kin.basis) == (Basis.CONFIRMED, Basis.LETTERS)
        assert [one.candidates[0].concept.id for one in (own, kin)] == [
            "damper position sensor"
        ] * 2
        assert bilingual.asked == []

    def test_unconfirmed_patterns_still_use_encoder(self, aligner: TagAligner) -> None:
        learned = aligner.learn(self.GIVEN[1:]).aligner
        assert learned.align_tag("frobnik", 1).basis is Basis.MEANING
        assert learned.align_tag("frobnik", 1).candidates[0].concept.id == "alarm"
