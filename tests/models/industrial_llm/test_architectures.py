"""LoRA on base models of different architectures: layers, names of weights, training."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from models.industrial_llm.batches import build_batches
from models.industrial_llm.recipes import RANK
from tests.models.industrial_llm.made_up_base import RECIPE, base, corpus
from tests.support.heavy import NEEDS_PEFT
from tests.support.models.made_up_qwen import LINEAR_LAYERS, made_up_qwen
from tests.support.nightly import nightly

if TYPE_CHECKING:
    import safetensors.torch as tensors
    import torch
    import transformers

    from models.industrial_llm import adapt, checkpoints, encoding, learning, lora
else:
    tensors = LazyModule("safetensors.torch")
    torch = LazyModule("torch")
    transformers = LazyModule("transformers")
    adapt = LazyModule("models.industrial_llm.adapt")
    checkpoints = LazyModule("models.industrial_llm.checkpoints")
    encoding = LazyModule("models.industrial_llm.encoding")
    learning = LazyModule("models.industrial_llm.learning")
    lora = LazyModule("models.industrial_llm.lora")

pytestmark = NEEDS_PEFT
DENSE_LAYERS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
QWEN_RECIPE = replace(RECIPE, batch=2, together=1, template={"enable_thinking": False})
SMALL: Mapping[str, Any] = {
    "vocab_size": 16,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_qwen(tmp_path_factory.mktemp("qwen"))


def weights(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tensors.load((folder / lora.WEIGHTS).read_bytes())
    return found


class TestLinearLayers:
    """The layers that get an adapter are read from the model."""

    @pytest.mark.parametrize("kind", ["Gemma3", "Qwen2"])
    def test_dense_model_has_attention_and_feed_forward_layers(self, kind: str) -> None:
        text = "Text" if kind == "Gemma3" else ""
        config = getattr(transformers, f"{kind}{text}Config")(**SMALL)
        model = getattr(transformers, f"{kind}ForCausalLM")(config)
        assert set(lora.linear_layer_names(model)) == DENSE_LAYERS

    def test_qwen3_5_has_linear_attention_layers_too(self, qwen: Path) -> None:
        model = transformers.AutoModelForCausalLM.from_pretrained(qwen)
        names = lora.linear_layer_names(model)
        assert set(names) == LINEAR_LAYERS
        assert list(names) == sorted(names)

    def test_model_without_linear_layers_is_rejected(self) -> None:
        model = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1)
        )
        with pytest.raises(lora.AdapterMismatch, match="no linear layers"):
            lora.linear_layer_names(model)


class TestWeightNames:
    """The engine finds an adapter's layers by the names in the base's checkpoint."""

    def test_base_that_reads_pictures_has_its_text_part_below_a_name(
        self, qwen: Path, tmp_path: Path
    ) -> None:
        assert lora.text_part_name(qwen) == "language_model."
        assert lora.text_part_name(base(tmp_path)) == ""

    def test_saved_weights_are_named_as_in_the_checkpoint(self, qwen: Path, tmp_path: Path) -> None:
        model = lora.load_model(qwen, QWEN_RECIPE, "cpu")
        lora.save_adapter(model, tmp_path, "made-up/qwen", lora.text_part_name(qwen))
        checkpoint = tensors.load((qwen / "model.safetensors").read_bytes())
        for name in weights(tmp_path):
            layer = name.removeprefix("base_model.model.").partition(".lora_")[0]
            assert f"{layer}.weight" in checkpoint
        assert set(json.loads((tmp_path / lora.CONFIG).read_text())["target_modules"]) == (
            LINEAR_LAYERS
        )

    def test_saved_adapter_can_be_continued(self, qwen: Path, tmp_path: Path) -> None:
        model = lora.load_model(qwen, QWEN_RECIPE, "cpu")
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.fill_(0.5)
        lora.save_adapter(model, tmp_path, "made-up/qwen", lora.text_part_name(qwen))
        other = lora.load_model(qwen, QWEN_RECIPE, "cpu")
        lora.load_adapter_weights(other, tmp_path)
        for name, weight in other.named_parameters():
            if "lora_B" in name:
                assert torch.all(weight == 0.5)


@nightly
def test_two_training_steps_change_the_adapter_of_every_layer(qwen: Path, tmp_path: Path) -> None:
    model = lora.load_model(qwen, QWEN_RECIPE, "cpu")
    encoder = encoding.DialogueEncoder.load(qwen, QWEN_RECIPE.template)
    trainer = learning.Trainer(model, encoder, QWEN_RECIPE)
    before = lora.copy_adapter_weights(model)
    told: list[learning.TrainingProgress] = []
    trainer.train(
        build_batches(corpus(), QWEN_RECIPE, trainer.token_count)[:2],
        (),
        checkpoints.CheckpointStore(tmp_path, ""),
        told.append,
        learning.TrainingIntervals(checkpoint=9, progress=1),
    )
    assert [one.step for one in told] == [1, 2]
    after = lora.copy_adapter_weights(model)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name for name in after if "lora_B" in name} <= changed
    assert len(after) == 2 * (3 * 5 + 4 + 4 * 3)


class TestFineTunerWithoutIndustryAdapter:
    @nightly
    def test_fine_tuning_starts_from_the_base(self, qwen: Path, tmp_path: Path) -> None:
        lines = [
            json.dumps({"messages": [
                {"role": "user", "content": f"part {number}"},
                {"role": "assistant", "content": "ok" if number % 2 else "no"},
            ]})
            for number in range(10)
        ]  # fmt: skip
        tuner = replace(
            adapt.create_fine_tuner(str(qwen), None, 1.0, "Qwen/Qwen3.5-9B", "cpu"),
            recipe=replace(QWEN_RECIPE, batch=8, learning_rate=0.05),
        )
        adapted = tuner("\n".join(lines).encode(), lambda said: None)
        assert adapted.score.base is not None
        assert adapted.score.adapted < adapted.score.base
        adapt.unpack_adapter(adapted.artefact, tmp_path)
        assert all(RANK in weight.shape for weight in weights(tmp_path).values())

    def test_base_model_decides_the_hyperparameters(self, qwen: Path) -> None:
        large, small = (
            adapt.create_fine_tuner(str(qwen), None, 1.0, base, "cpu").recipe
            for base in ("Qwen/Qwen3.5-9B", "google/gemma-3-270m")
        )
        assert large.recompute
        assert large.template == {"enable_thinking": False}
        assert (large.base, small.base) == ("Qwen/Qwen3.5-9B", "google/gemma-3-270m")

    @pytest.mark.parametrize("name", ["made-up/base", "/no/such/folder", "a/b/c"])
    def test_base_that_is_not_on_this_machine_is_rejected(self, name: str) -> None:
        with pytest.raises(adapt.BaseWeightsMissing, match="not on the machine that trains"):
            adapt.find_base_folder(name)
