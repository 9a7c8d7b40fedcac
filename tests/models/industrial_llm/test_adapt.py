"""Fine-tuning of the industrial model, on a tiny base with random weights."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from infra.lazy_import import LazyModule
from models.adaptation import ExactMatches, Metrics, TrainingFileInvalid
from models.industrial_llm.effort import MAX_EPOCHS
from models.industrial_llm.recipes import RANK
from tests.models.industrial_llm.made_up_base import RECIPE, base, corpus
from tests.support.heavy import NEEDS_PEFT
from tests.support.nightly import nightly

pytestmark = nightly


if TYPE_CHECKING:
    import safetensors.torch as tensors
    import torch

    from models.industrial_llm import adapt, lora
else:
    tensors = LazyModule("safetensors.torch")
    torch = LazyModule("torch")
    adapt = LazyModule("models.industrial_llm.adapt")
    lora = LazyModule("models.industrial_llm.lora")

pytestmark = NEEDS_PEFT


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> "adapt.LanguageModelFineTuner":
    folder = base(tmp_path_factory.mktemp("base"))
    parent = tmp_path_factory.mktemp("parent")
    lora.save_adapter(lora.load_model(folder, RECIPE, "cpu"), parent, RECIPE.base)
    return adapt.LanguageModelFineTuner(folder, parent, RECIPE)


def dialogues() -> bytes:
    return "\n".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": one.text},
                    {"role": "assistant", "content": one.answer},
                ]
            }
        )
        for one in corpus()["failure_mode"].train
    ).encode()


@nightly
def test_fine_tuning_improves_loss_and_matches_on_held_out_dialogues(
    adapter: "adapt.LanguageModelFineTuner",
) -> None:
    told: list[str | Metrics] = []
    adapted = adapter(dialogues(), told.append)
    assert adapted.score.base is not None
    assert adapted.score.adapted < adapted.score.base / 2
    assert (adapted.examples, adapted.held_out) == (28, 4)
    assert adapted.score.exact == ExactMatches(base=0, adapted=4, of=4)
    assert "28 dialogues" in str(told[0])
    assert "0 before training, 4 after" in str(told[-1])
    figures = [one for one in told if isinstance(one, Metrics)]
    assert [one.step for one in figures][-1] == figures[-1].total_steps
    assert figures[-1].valid_loss == pytest.approx(adapted.score.adapted)
    assert figures[-1].train_loss < figures[0].train_loss
    assert adapted.trained_tokens is not None
    assert adapted.trained_tokens >= MAX_EPOCHS * 28


def test_fine_tuning_artefact_has_engine_config_and_weights(
    adapter: "adapt.LanguageModelFineTuner", tmp_path: Path
) -> None:
    artefact = adapter(dialogues(), lambda said: None).artefact
    adapt.unpack_adapter(artefact, tmp_path)
    settings = json.loads((tmp_path / lora.CONFIG).read_text())
    assert settings["r"] == RANK
    assert settings["base_model_name_or_path"] == RECIPE.base
    weights = tensors.load((tmp_path / lora.WEIGHTS).read_bytes())
    assert all(RANK in one.shape for one in weights.values())


@nightly
def test_mixing_of_half_averages_parent_and_fine_tuned_weights(
    adapter: "adapt.LanguageModelFineTuner", tmp_path: Path
) -> None:
    whole = adapter(dialogues(), lambda said: None)
    half = replace(adapter, mixing=0.5)(dialogues(), lambda said: None)
    (tmp_path / "whole").mkdir()
    (tmp_path / "half").mkdir()
    adapt.unpack_adapter(whole.artefact, tmp_path / "whole")
    adapt.unpack_adapter(half.artefact, tmp_path / "half")
    parent, all_of_it, half_of_it = (
        tensors.load((folder / lora.WEIGHTS).read_bytes())
        for folder in (adapter.parent, tmp_path / "whole", tmp_path / "half")
    )
    for name, one in half_of_it.items():
        middle = (parent[name].float() + all_of_it[name].float()) / 2
        assert torch.allclose(one.float(), middle, atol=0.01, rtol=0.02)
    assert not torch.equal(all_of_it[name], half_of_it[name])
    assert whole.score.base == half.score.base
    assert whole.score.adapted != half.score.adapted


@pytest.mark.parametrize(
    "artefact", [b"", b"\xff", msgspec.msgpack.encode({"../evil": b"x"}), b"\x81\xa1a\xc4\x01x"]
)
def test_invalid_adapter_archive_is_rejected(artefact: bytes, tmp_path: Path) -> None:
    with pytest.raises(lora.AdapterMismatch):
        adapt.unpack_adapter(artefact, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [True, False])
def test_broken_or_mismatched_parent_adapter_is_rejected(
    adapter: "adapt.LanguageModelFineTuner", tmp_path: Path, broken: bool
) -> None:
    whole = (adapter.parent / lora.WEIGHTS).read_bytes()
    halves = {name: one[: RANK // 2].contiguous() for name, one in tensors.load(whole).items()}
    (tmp_path / lora.WEIGHTS).write_bytes(whole[:64] if broken else tensors.save(halves))
    with pytest.raises(lora.AdapterMismatch):
        adapt.LanguageModelFineTuner(adapter.base, tmp_path, RECIPE)(dialogues(), lambda said: None)


def test_dialogue_over_context_length_is_rejected_with_line(
    adapter: "adapt.LanguageModelFineTuner",
) -> None:
    long = json.dumps(
        {
            "messages": [
                {"role": "user", "content": "part1 leaks " * 500},
                {"role": "assistant", "content": "Leaking"},
            ]
        }
    ).encode()
    with pytest.raises(TrainingFileInvalid, match=r"Line 33 has \d+ tokens"):
        adapter(dialogues() + b"\n" + long, lambda said: None)
