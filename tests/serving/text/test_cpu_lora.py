"""LoRA adapters on a CPU: each token gets its own adapter, or none."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    import torch
    from vllm.lora import layers
    from vllm.platforms import current_platform

    from serving.text import cpu_lora
else:
    torch = LazyModule("torch")
    cpu_lora = LazyModule("serving.text.cpu_lora")
    layers = LazyModule("vllm.lora.layers")
    current_platform = LazyModule("vllm.platforms")

pytestmark = NEEDS_VLLM

INPUTS, RANK, SLICES = 48, 4, (32, 8, 8)
# The adapter in slot 0 has the id 1, the one in slot 1 the id 2; 0 stands for no adapter.
ADAPTERS = [1, 2]


class TestGroupByAdapter:
    @pytest.mark.parametrize(
        ("slots", "groups"),
        [
            ([], {}),
            ([-1, -1], {}),
            ([1, 1], {1: None}),
            ([0, 1, 0, -1], {0: [0, 2], 1: [1]}),
            ([0, -1], {0: [0]}),
        ],
        ids=["no token", "no adapter", "one adapter", "two adapters and none", "one and none"],
    )
    def test_tokens_are_grouped_by_slot(
        self, slots: list[int], groups: dict[int, list[int] | None]
    ) -> None:
        found = {
            group.slot: None if group.rows is None else group.rows.tolist()
            for group in cpu_lora.group_by_adapter(slots)
        }
        assert found == groups


class TestAddLoraLinear:
    @pytest.mark.parametrize(
        ("ids", "is_prefill"),
        [
            ([1], False),
            ([2, 2, 2], False),
            ([1, 0, 2, 0, 1], False),
            ([0, 0], False),
            ([1] * 40, True),
            ([0] * 20 + [2] * 20, True),
        ],
        ids=["one call", "one adapter", "mixed", "no adapter", "prompt", "mixed prompts"],
    )
    def test_token_gets_its_own_adapter_or_none(self, ids: list[int], is_prefill: bool) -> None:
        torch.manual_seed(0)
        a, b = _weights(RANK, INPUTS), [_weights(size, RANK)[0] for size in SLICES]
        x, y = torch.randn(len(ids), INPUTS), torch.randn(len(ids), sum(SLICES))
        expected = y + _reference(x, ids, a, b)
        lora = _lora(ids, is_prefill)
        lora.add_lora_linear(y, x, tuple(a), tuple(b), 1.0, SLICES)
        torch.testing.assert_close(y, expected)


def test_install_selects_the_implementation_and_the_device_of_packed_layers() -> None:
    cpu_lora.install()
    name = current_platform.current_platform.get_punica_wrapper()
    assert name == "serving.text.cpu_lora.GroupedLora"
    packed = torch.nn.Module()
    packed.register_parameter("weight", None)
    find_device = vars(import_module("vllm.lora.layers.base_linear"))["_get_lora_device"]
    assert find_device(packed) == torch.device("cpu")


def _weights(rows: int, columns: int) -> list[Any]:
    """Weights for each slice, [slots, 1, rows, columns]."""
    return [torch.randn(len(ADAPTERS), 1, rows, columns) for _ in SLICES]


def _reference(x: Any, ids: Sequence[int], a: Sequence[Any], b: Sequence[Any]) -> Any:
    """What the adapters add, one token after the other."""
    added = torch.zeros(len(ids), sum(SLICES))
    for row, adapter in enumerate(ids):
        if adapter:
            slot = ADAPTERS.index(adapter)
            added[row] = torch.cat(
                [b[i][slot, 0] @ (a[i][slot, 0] @ x[row]) for i in range(len(SLICES))]
            )
    return added


def _lora(ids: Sequence[int], is_prefill: bool) -> Any:
    """The implementation in a step with these adapters."""
    lora = cpu_lora.GroupedLora(max_num_batched_tokens=64, max_batches=8, device="cpu")
    mapping = layers.LoRAMapping(tuple(ids), tuple(ids), is_prefill=is_prefill)
    lora.update_metadata(mapping, ADAPTERS, len(ADAPTERS), 100)
    return lora
