"""Marks of tests that need a package whose import takes seconds and hundreds of megabytes.

Every worker of a run imports every test module, so their modules import such a package by
`infra.lazy_import`: only the workers that run such a test pay for it. The marks import nothing.
"""

import sys
from importlib.util import find_spec

import pytest

_MISSING = "{} is not installed"
# Each takes a worker half a gigabyte until it ends.
_PACKAGES = ("torch", "peft", "vllm")
_LARGE = frozenset(map(_MISSING.format, _PACKAGES))
IMPORTED = pytest.StashKey[tuple[str, ...]]()
"""The large packages that the collection of the tests imported, which it must not."""


def _needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=_MISSING.format(package))


def imported_large() -> tuple[str, ...]:
    """Return the large packages that this process has imported."""
    return tuple(name for name in _PACKAGES if name in sys.modules)


def is_large(item: pytest.Item) -> bool:
    """Whether a test imports PyTorch, by its marks."""
    return any(mark.kwargs.get("reason") in _LARGE for mark in item.iter_markers("skipif"))


NEEDS_TORCH = _needs("torch")
NEEDS_PEFT = [
    _needs("peft"),
    # peft asks transformers by a name that it is about to drop.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
NEEDS_RAY = _needs("ray")
NEEDS_VLLM = [
    _needs("vllm"),
    pytest.mark.usefixtures("processes"),  # vLLM starts programs when it is imported
    # A library that vLLM's LoRA layers import uses what torch is about to drop.
    pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning"),
]
NEEDS_ANTHROPIC = _needs("anthropic")
NEEDS_MCP = _needs("mcp")
NEEDS_A2A = _needs("a2a")
NEEDS_AGENTS = _needs("agents")
NEEDS_PYDANTIC_AI = _needs("pydantic_ai")
