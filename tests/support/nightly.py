"""What `make test-all` tries at length, and `make test` briefly or not at all."""

import os

import pytest

_NIGHTLY = "MAAS_NIGHTLY" in os.environ

# For what retrains a committed model, or goes to the limits of what is allowed.
nightly = pytest.mark.skipif(not _NIGHTLY, reason="takes long: `make test-all`")


def at_length(full: int, brief: int) -> int:
    """How many cases are tried: the first with MAAS_NIGHTLY set, else the second."""
    return full if _NIGHTLY else brief
