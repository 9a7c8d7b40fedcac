"""The committed vectors of concept names: caching, validation and reproduction."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from models.multilingual import EXTRA, EncoderMissing, PackagedEncoder, Vectors, load_encoder
from models.tag_align import vectors
from models.tag_align.aligner import ARTEFACT
from models.tag_align.vectors import (
    FILE,
    cached_encoder,
    concept_names,
    load_cached_encoder,
    read,
    render,
)
from models.tag_align.vocabulary import ArtefactBroken, Concept, Vocabulary
from models.tag_align.vocabulary import read as read_vocabulary

NAMES = ("alarm", "Störung", "damper")
VOCABULARY = Vocabulary(
    (
        Concept("plant", "1", "alarm", ("Störung",)),
        Concept("plant", "2", "damper", ("alarm",)),
    ),
    (),
)


@dataclass
class Model:
    """A fake of the encoder package: a text's vector depends on its length."""

    asked: list[str] = field(default_factory=list)

    def query(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.eye(16, dtype=np.float32)[[len(text) for text in texts]]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def artefact(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of an artefact with a vector file; the encoder's record of texts is empty."""
    encoder = PackagedEncoder(model, "1.0")
    (tmp_path / FILE).write_bytes(render(VOCABULARY, encoder))
    model.asked.clear()
    monkeypatch.setattr(vectors, "load_encoder", lambda: encoder)
    return tmp_path / "vocabulary.json"


class TestCachedVectors:
    def test_concept_names_are_not_encoded_again(self, artefact: Path, model: Model) -> None:
        beside = load_cached_encoder(artefact, VOCABULARY)
        known = beside.vectors(NAMES)
        assert model.asked == []
        assert np.array_equal(known, model.query(NAMES))

    def test_other_text_is_encoded_once(self, model: Model) -> None:
        recalling = cached_encoder(PackagedEncoder(model, "1.0"))
        first, again = (recalling.vectors(["pump", "alarm"]) for _ in range(2))
        assert model.asked == ["pump", "alarm"]
        assert np.array_equal(first, again)


class TestVectorFileValidation:
    def test_missing_file_raises_encoder_missing(self, artefact: Path) -> None:
        artefact.with_name(FILE).unlink()
        with pytest.raises(EncoderMissing, match="not encoded"):
            load_cached_encoder(artefact, VOCABULARY)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
    def test_invalid_file_raises_artefact_broken(self, artefact: Path, content: bytes) -> None:
        artefact.with_name(FILE).write_bytes(content)
        with pytest.raises(ArtefactBroken, match="no names' vectors"):
            load_cached_encoder(artefact, VOCABULARY)

    def test_vectors_of_other_vocabulary_are_rejected(self, artefact: Path) -> None:
        other = Vocabulary(VOCABULARY.concepts[:1], ())
        with pytest.raises(ArtefactBroken, match="another vocabulary"):
            load_cached_encoder(artefact, other)

    def test_vectors_of_other_encoder_version_are_rejected(
        self, artefact: Path, model: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vectors, "load_encoder", lambda: PackagedEncoder(model, "2.0"))
        with pytest.raises(EncoderMissing, match=r"version 1\.0 .* 2\.0 is"):
            load_cached_encoder(artefact, VOCABULARY)


class TestCommittedVectors:
    def test_vectors_match_vocabulary_and_pinned_package(self) -> None:
        _, version = read(ARTEFACT.with_name(FILE), concept_names(read_vocabulary(ARTEFACT)))
        project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
        (pinned,) = project["optional-dependencies"][EXTRA]
        assert pinned.endswith(f"=={version}")

    def test_encoding_reproduces_committed_vectors(self) -> None:
        try:
            encoder = load_encoder()
        except EncoderMissing as error:
            pytest.skip(f"needs the encoder: {error}")
        vocabulary = read_vocabulary(ARTEFACT)
        some = concept_names(vocabulary)[::1000]
        known = load_cached_encoder(ARTEFACT, vocabulary).vectors(some)
        # The package uses the processor's approximate square root, which differs by vendor; after
        # rounding to eight bits, values differ by thousandths.
        assert np.sum(known * encoder.vectors(some), axis=1).min() > 0.9995
