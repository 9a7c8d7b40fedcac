"""Tests of the beginnings of a model's own answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.models.industrial_llm.made_up_base import RECIPE, base
from tests.support.heavy import NEEDS_PEFT

if TYPE_CHECKING:
    from models.industrial_llm import encoding, lora, own_answers
else:
    encoding = LazyModule("models.industrial_llm.encoding")
    lora = LazyModule("models.industrial_llm.lora")
    own_answers = LazyModule("models.industrial_llm.own_answers")

pytestmark = NEEDS_PEFT
REQUESTS = ("part1 leaks", "part2 leaks", "part1 leaks part2 shakes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base(tmp_path_factory.mktemp("base"))


def begin(folder: Path, requests: tuple[str, ...], tokens: int) -> dict[str, str]:
    model = lora.load_model(folder, RECIPE, "cpu")
    encoder = encoding.DialogueEncoder.load(folder, {})
    return dict(own_answers.begin_answers(model, encoder, requests, tokens))


def test_batch_of_requests_has_the_answers_of_each_alone(folder: Path) -> None:
    together = begin(folder, REQUESTS, 3)
    alone = [begin(folder, (one,), 3) for one in REQUESTS]
    assert together
    assert together == {text: answer for one in alone for text, answer in one.items()}


def test_beginning_is_text_of_so_many_tokens(folder: Path) -> None:
    encoder = encoding.DialogueEncoder.load(folder, {})
    for beginning in begin(folder, REQUESTS, 2).values():
        assert not beginning[0].isspace()
        assert len(encoder.tokenizer(beginning, add_special_tokens=False).input_ids) == 2
