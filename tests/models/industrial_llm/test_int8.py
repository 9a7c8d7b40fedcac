"""Weights in 8 bits, written for vLLM and read back for training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from models.industrial_llm.recipes import RECIPES
from tests.support.heavy import NEEDS_PEFT

if TYPE_CHECKING:
    import torch
    import transformers
    from safetensors import torch as tensor_files

    from models.industrial_llm import int8, lora
else:
    tensor_files = LazyModule("safetensors.torch")
    torch = LazyModule("torch")
    transformers = LazyModule("transformers")
    int8 = LazyModule("models.industrial_llm.int8")
    lora = LazyModule("models.industrial_llm.lora")

SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
pytestmark = NEEDS_PEFT


@pytest.fixture
def tokens() -> Any:
    return torch.tensor([[5, 17, 210, 3, 3, 99]])


def made_up_model(*, tied: bool) -> Any:
    torch.manual_seed(3)
    config = transformers.Qwen2Config(**SIZES, tie_word_embeddings=tied)
    return transformers.Qwen2ForCausalLM(config).to(torch.bfloat16).eval()


def write(tensors: Any, folder: Path) -> None:
    tensor_files.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def save(model: Any, folder: Path) -> Path:
    folder.mkdir()
    tensor_files.save_file(
        int8.quantized_tensors(model), folder / "model.safetensors", metadata={"format": "pt"}
    )
    settings = {int8.SETTINGS_KEY: int8.quantization_settings(), "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(model.config.to_dict() | settings))
    return folder


def test_quantised_rows_are_exact_to_half_a_step() -> None:
    weight = torch.randn(7, 33)
    integers, scale = int8.quantise(weight)
    assert (integers.dtype, integers.shape, scale.shape) == (torch.int8, (7, 33), (7, 1))
    assert int(integers.abs().amax(dim=1).min()) == 127
    assert torch.all((integers * scale - weight).abs() <= scale / 2 + 1e-6)


def test_row_of_zeros_stays_zero() -> None:
    integers, scale = int8.quantise(torch.zeros(1, 4))
    assert integers.tolist() == [[0, 0, 0, 0]]
    assert torch.isfinite(scale).all()


@pytest.mark.parametrize("tied", [False, True])
def test_linear_layers_and_output_layer_are_quantised(tied: bool) -> None:
    tensors = int8.quantized_tensors(made_up_model(tied=tied))
    quantised = {name for name, tensor in tensors.items() if tensor.dtype is torch.int8}
    assert len(quantised) == 2 * 7 + 1
    assert "lm_head.weight" in quantised
    assert {f"{name}_scale" for name in quantised} <= set(tensors)
    assert tensors["model.embed_tokens.weight"].dtype is torch.bfloat16


@pytest.mark.parametrize("tied", [False, True])
def test_dequantised_model_predicts_as_the_original(
    tied: bool, tokens: Any, tmp_path: Path
) -> None:
    original = made_up_model(tied=tied)
    read = int8.load_dequantized(save(original, tmp_path / "w"), "sdpa")
    with torch.inference_mode():
        before, after = original(tokens).logits.float(), read(tokens).logits.float()
    assert read.dtype is torch.bfloat16
    assert torch.nn.functional.cosine_similarity(before, after, dim=-1).min() > 0.99


def test_dequantised_model_has_no_weights_missing(tmp_path: Path) -> None:
    folder = save(made_up_model(tied=False), tmp_path / "w")
    tensors = int8.quantized_tensors(made_up_model(tied=False))
    del tensors["model.norm.weight"]
    write(tensors, folder)
    with pytest.raises(ValueError, match=r"no model\.norm\.weight"):
        int8.load_dequantized(folder, "sdpa")


def test_adapter_is_trained_on_quantised_weights(tokens: Any, tmp_path: Path) -> None:
    folder = save(made_up_model(tied=False), tmp_path / "w")
    assert int8.is_quantized(folder)
    model = lora.load_model(folder, RECIPES["cpu"], "cpu")
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert gradients
    assert all(gradient is not None for gradient in gradients)
