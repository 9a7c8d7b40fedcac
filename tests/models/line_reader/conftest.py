"""The made-up encoder with random heads, shared by the tests of the package."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from models.line_reader.encoder_file import EncoderFile, Floats, read_encoder
from models.line_reader.features import LINE_FEATURES
from models.line_reader.training.documents import TrainingDocument, read_own_documents
from tests.models.line_reader.made_up_encoder import HIDDEN, write_encoder

WIDTH, INNER, FACTS = 8, 6, 9
TEXT = """# Pump P-1
The pump P-1 weighs 40 kg.
? how heavy is P-1
? P-1 weight
The oil of P-1 is changed every 900 h.
? oil change
! how loud is it

| Part | Stock |
| seal S-3 | 4 |
? how many S-3
"""


@pytest.fixture(scope="session")
def encoder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "e5-small-q4.bin"
    write_encoder(path)
    return path


@pytest.fixture
def encoder_file(encoder_path: Path) -> EncoderFile:
    return read_encoder(encoder_path)


@pytest.fixture(scope="session")
def heads() -> Mapping[str, Floats]:
    rng = np.random.default_rng(1)

    def drawn(*shape: int) -> Floats:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    return {
        "project.weight": drawn(WIDTH, HIDDEN),
        "project.bias": drawn(WIDTH),
        "weight.weight": drawn(1, HIDDEN),
        "weight.bias": drawn(1),
        "asked.weight": drawn(1, HIDDEN),
        "asked.bias": drawn(1),
        "alpha": np.array(8.0, np.float32),
        "beta": np.array(15.0, np.float32),
        "words.0.weight": drawn(INNER, LINE_FEATURES),
        "words.0.bias": drawn(INNER),
        "words.2.weight": drawn(1, INNER),
        "words.2.bias": drawn(1),
        "none.0.weight": drawn(INNER, LINE_FEATURES + FACTS),
        "none.0.bias": drawn(INNER),
        "none.2.weight": drawn(1, INNER),
        "none.2.bias": drawn(1),
    }


@pytest.fixture
def document(tmp_path: Path) -> TrainingDocument:
    (tmp_path / "one.txt").write_text(TEXT, encoding="utf-8")
    (found,) = read_own_documents(tmp_path)
    return found
