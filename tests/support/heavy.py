"""Packages that take seconds and hundreds of megabytes to import, for tests that use them.

Every worker of a run imports every test module. These are imported when a test first uses them, so
that only the workers that run such a test pay for them.
"""

from importlib.util import find_spec
from typing import Any

import pytest

from infra.lazy_import import LazyModule


def needs(package: str, reason: str) -> pytest.MarkDecorator:
    """Skips where a package is not installed, without importing it."""
    return pytest.mark.skipif(find_spec(package) is None, reason=reason)


class HeavyModule(LazyModule):
    """Is not imported for what pytest and its plugins ask of everything that a test module has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return super().__getattr__(name)


def heavy(name: str) -> HeavyModule:
    """The module, imported at its first use."""
    return HeavyModule(name)
