"""The multilingual encoder, and the error if its package is not installed."""

import os

import numpy as np
import pytest

from models import multilingual
from models.multilingual import DIMENSIONS, EncoderMissing, PackagedEncoder, load_encoder
from tests.support.nightly import at_length


@pytest.fixture(scope="module")
def encoder() -> PackagedEncoder:
    try:
        return load_encoder()
    except EncoderMissing as error:
        pytest.skip(f"needs the encoder: {error}")


class TestMultilingualEncoder:
    def test_missing_package_raises_error_with_install_command(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(multilingual, "PACKAGE", "no_such_encoder")
        with pytest.raises(EncoderMissing, match=r"pip install 'maas-gateway\[multilingual\]'"):
            load_encoder()

    def test_german_and_chinese_terms_match_english_terms(self) -> None:
        threads = os.environ.get("OMP_NUM_THREADS")
        try:
            loaded = load_encoder()
        except EncoderMissing as error:
            pytest.skip(f"needs the encoder: {error}")
        # The package sets it for its own threads; modules loaded later must not inherit it.
        assert os.environ.get("OMP_NUM_THREADS") == threads
        german, chinese, near, far = loaded.vectors(
            ["Seriennummer", "序列号", "serial number", "outside air temperature"]
        )
        assert german @ near > german @ far
        assert chinese @ near > chinese @ far

    def test_query_matches_relevant_passage(self, encoder: PackagedEncoder) -> None:
        passages = encoder.passages(["轴承过热时检查润滑脂。", "The cabinet door has two hinges."])
        (query,) = encoder.vectors(["The bearing runs hot, what now?"])
        assert passages.shape == (2, DIMENSIONS)
        assert passages[0] @ query > passages[1] @ query

    @pytest.mark.parametrize(
        "text",
        ["\ufdfa" * at_length(500, 100), "a\x00b", "", "㍿" * 200, "\ud7ff\U0010ffff"],
        ids=["18 letters each", "nul", "empty", "4 letters each", "ends of planes"],
    )
    def test_unusual_characters_give_unit_vectors(
        self, encoder: PackagedEncoder, text: str
    ) -> None:
        for vectors in (encoder.vectors([text]), encoder.passages([text])):
            assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-4)

    def test_nul_character_does_not_end_text(self, encoder: PackagedEncoder) -> None:
        assert encoder.tokens("pump\x00bearing") == encoder.tokens("pump bearing")

    def test_token_count_includes_prefix_and_special_tokens(self, encoder: PackagedEncoder) -> None:
        # Two special tokens, and `query` `:` with separators.
        assert encoder.tokens("") == 6
        assert encoder.tokens("a " * 600) > 512
