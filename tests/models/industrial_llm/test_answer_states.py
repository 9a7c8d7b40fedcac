"""Tests of hidden states with a beginning that is computed once for all dialogues of a batch."""

from typing import TYPE_CHECKING

import pytest

from infra.lazy_import import LazyModule
from tests.models.industrial_llm.made_up_base import RECIPE, base
from tests.support.heavy import NEEDS_PEFT

if TYPE_CHECKING:
    import torch

    from models.industrial_llm import answer_states, encoding, lora
else:
    torch = LazyModule("torch")
    answer_states = LazyModule("models.industrial_llm.answer_states")
    encoding = LazyModule("models.industrial_llm.encoding")
    lora = LazyModule("models.industrial_llm.lora")

pytestmark = NEEDS_PEFT
BEGINNING = (7, 8, 9, 10, 11, 12)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> "answer_states.AnswerReader":
    model = lora.load_model(base(tmp_path_factory.mktemp("base")), RECIPE, "cpu")
    return answer_states.AnswerReader(model.eval(), min_shared=len(BEGINNING))


def dialogues() -> "list[encoding.EncodedDialogue]":
    """Return dialogues of different lengths that begin with the same tokens."""
    return [
        encoding.EncodedDialogue((*BEGINNING, 13), (14, 4)),
        encoding.EncodedDialogue((*BEGINNING, 15, 16, 17), (18, 19, 4)),
    ]


class TestSharedLength:
    def test_different_prompts_share_no_token(self) -> None:
        assert answer_states.shared_length([(1, 2, 3), (4, 2, 3)]) == 0

    def test_common_first_tokens_are_counted(self) -> None:
        assert answer_states.shared_length([(1, 2, 3), (1, 2, 4, 5)]) == 2

    def test_one_token_of_the_shortest_prompt_is_left(self) -> None:
        assert answer_states.shared_length([(1, 2), (1, 2, 3), (1, 2, 3, 4)]) == 1


class TestSharedPrefix:
    def test_hidden_states_are_those_without_a_prefix(
        self, reader: "answer_states.AnswerReader"
    ) -> None:
        with torch.inference_mode():
            prefix = reader.shared_prefix(dialogues())
            shared = reader.read(dialogues(), prefix)
            alone = reader.read(dialogues(), answer_states.SharedPrefix())
        assert prefix.length == len(BEGINNING)
        assert shared.hidden.shape == alone.hidden.shape
        torch.testing.assert_close(shared.hidden, alone.hidden, atol=0.05, rtol=0.02)

    def test_prefix_serves_several_micro_batches(
        self, reader: "answer_states.AnswerReader"
    ) -> None:
        with torch.inference_mode():
            prefix = reader.shared_prefix(dialogues())
            first, again = (reader.read(dialogues(), prefix).hidden for _ in range(2))
        assert torch.equal(first, again)

    def test_short_beginning_is_no_prefix(self, reader: "answer_states.AnswerReader") -> None:
        shorter = [one.after(1) for one in dialogues()]
        assert reader.shared_prefix(shorter) == answer_states.SharedPrefix()

    def test_prefix_has_no_gradient_and_the_rest_has(
        self, reader: "answer_states.AnswerReader"
    ) -> None:
        prefix = reader.shared_prefix(dialogues())
        states = reader.read(dialogues(), prefix)
        assert not any(keys.requires_grad for keys, _ in prefix.layers)
        assert states.hidden.requires_grad
