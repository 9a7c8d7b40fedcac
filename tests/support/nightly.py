"""Tests that `make test-all` runs at full length, `make test` at short length or not."""

import os
from typing import TypeVar

import pytest

_Cases = TypeVar("_Cases")
_NIGHTLY = "MAAS_NIGHTLY" in os.environ

# For what retrains a committed model, or goes to the limits of what is allowed.
nightly = pytest.mark.skipif(not _NIGHTLY, reason="takes long: `make test-all`")


def at_length(full: _Cases, brief: _Cases) -> _Cases:
    """The cases, or their number: the first with MAAS_NIGHTLY set, else the second."""
    return full if _NIGHTLY else brief
