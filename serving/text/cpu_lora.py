"""LoRA adapters on a CPU: correct in mixed batches, on quantised layers, and without gathering.

vLLM's CPU implementation copies the adapter's weights once for every token of a batch, in float32,
and takes tokens without an adapter (index -1) for tokens of the last loaded one. Here the tokens of
a step are grouped by adapter, each group is multiplied with its adapter's weights in place, and
tokens without an adapter are left alone. The engine must not be compiled (`enforce_eager`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear
from vllm.lora.layers import base_linear
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.platforms.cpu import CpuPlatform

_CPU = torch.device("cpu")
_NO_ADAPTER = -1


@dataclass(frozen=True, slots=True)
class AdapterTokens:
    """The tokens of a step that use the adapter in a slot, as row numbers; None if all do."""

    slot: int
    rows: torch.Tensor | None


class GroupedLora(PunicaWrapperCPU):
    """vLLM's interface to the LoRA kernels, computing one matrix product per adapter."""

    groups: tuple[AdapterTokens, ...] = ()

    def update_metadata(self, *arguments: Any, **options: Any) -> None:
        """Note which tokens of the next step use which adapter."""
        super().update_metadata(*arguments, **options)
        self.groups = group_by_adapter(self.token_lora_indices.tolist())

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        lora_b_stacked: tuple[torch.Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        *,
        buffer: tuple[torch.Tensor, ...] | None = None,
        **options: Any,
    ) -> None:
        """Add each token's adapter to a layer's output `y` [tokens, outputs], in place.

        `x` is the layer's input [tokens, inputs]. Of each slice, a [slots, 1, rank, inputs] and
        b [slots, 1, outputs of the slice, rank].
        """
        x, y = x.view(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        for group in self.groups:
            inputs = x if group.rows is None else x[group.rows]
            start = 0
            for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
                hidden = linear(inputs, a[group.slot, 0])
                added = linear(hidden if scale == 1 else hidden * scale, b[group.slot, 0])
                if group.rows is None:
                    y[:, start : start + width] += added
                else:
                    y[:, start : start + width].index_add_(0, group.rows, added)
                start += width


def group_by_adapter(slots: Sequence[int]) -> tuple[AdapterTokens, ...]:
    """Group the tokens of a step by the slot of their adapter; -1 stands for no adapter."""
    used = sorted(set(slots) - {_NO_ADAPTER})
    if len(used) == 1 and _NO_ADAPTER not in slots:
        return (AdapterTokens(used[0], None),)
    return tuple(
        AdapterTokens(slot, torch.tensor([row for row, one in enumerate(slots) if one == slot]))
        for slot in used
    )


def install() -> None:
    """Let vLLM use this implementation in this process. May be called repeatedly."""
    # Assigned by name: to mypy, these are another signature and a name that is not exported.
    setattr(CpuPlatform, "get_punica_wrapper", classmethod(_implementation))  # noqa: B010
    setattr(base_linear, "_get_lora_device", _cpu_device)  # noqa: B010


def _implementation(_: type) -> str:
    """Return the name by which vLLM imports the implementation."""
    return f"{GroupedLora.__module__}.{GroupedLora.__qualname__}"


def _cpu_device(_: torch.nn.Module) -> torch.device:
    """Return the CPU for every layer: a packed int8 layer has no weight that tells its device."""
    return _CPU
