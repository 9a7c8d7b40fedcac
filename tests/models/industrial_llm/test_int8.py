"""Weights in 8 bits, written for vLLM and read back for training."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from models.industrial_llm import lora
from models.industrial_llm.int8 import (
    SETTINGS_KEY,
    is_quantized,
    load_dequantized,
    quantise,
    quantization_settings,
    quantized_tensors,
)
from models.industrial_llm.recipes import RECIPES

SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TOKENS = torch.tensor([[5, 17, 210, 3, 3, 99]])
# peft reads it of every model.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def made_up_model(*, tied: bool) -> Any:
    torch.manual_seed(3)
    config = Qwen2Config(**SIZES, tie_word_embeddings=tied)
    return Qwen2ForCausalLM(config).to(torch.bfloat16).eval()


def save(model: Any, folder: Path) -> Path:
    folder.mkdir()
    save_file(quantized_tensors(model), folder / "model.safetensors", metadata={"format": "pt"})
    settings = {SETTINGS_KEY: quantization_settings(), "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(model.config.to_dict() | settings))
    return folder


def test_quantised_rows_are_exact_to_half_a_step() -> None:
    weight = torch.randn(7, 33)
    integers, scale = quantise(weight)
    assert (integers.dtype, integers.shape, scale.shape) == (torch.int8, (7, 33), (7, 1))
    assert int(integers.abs().amax(dim=1).min()) == 127
    assert torch.all((integers * scale - weight).abs() <= scale / 2 + 1e-6)


def test_row_of_zeros_stays_zero() -> None:
    integers, scale = quantise(torch.zeros(1, 4))
    assert integers.tolist() == [[0, 0, 0, 0]]
    assert torch.isfinite(scale).all()


@pytest.mark.parametrize("tied", [False, True])
def test_linear_layers_and_output_layer_are_quantised(tied: bool) -> None:
    tensors = quantized_tensors(made_up_model(tied=tied))
    quantised = {name for name, tensor in tensors.items() if tensor.dtype is torch.int8}
    assert len(quantised) == 2 * 7 + 1
    assert "lm_head.weight" in quantised
    assert {f"{name}_scale" for name in quantised} <= set(tensors)
    assert tensors["model.embed_tokens.weight"].dtype is torch.bfloat16


@pytest.mark.parametrize("tied", [False, True])
def test_dequantised_model_predicts_as_the_original(tied: bool, tmp_path: Path) -> None:
    original = made_up_model(tied=tied)
    read = load_dequantized(save(original, tmp_path / "w"), "sdpa")
    with torch.inference_mode():
        before, after = original(TOKENS).logits.float(), read(TOKENS).logits.float()
    assert read.dtype is torch.bfloat16
    assert torch.nn.functional.cosine_similarity(before, after, dim=-1).min() > 0.99


def test_dequantised_model_has_no_weights_missing(tmp_path: Path) -> None:
    folder = save(made_up_model(tied=False), tmp_path / "w")
    tensors = quantized_tensors(made_up_model(tied=False))
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no model\.norm\.weight"):
        load_dequantized(folder, "sdpa")


def test_adapter_is_trained_on_quantised_weights(tmp_path: Path) -> None:
    folder = save(made_up_model(tied=False), tmp_path / "w")
    assert is_quantized(folder)
    model = lora.load_model(folder, RECIPES["cpu"], "cpu")
    loss = model(input_ids=TOKENS, labels=TOKENS).loss
    loss.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert gradients
    assert all(gradient is not None for gradient in gradients)
