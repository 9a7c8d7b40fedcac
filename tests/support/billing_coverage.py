"""Coverage of billing, taken while its own tests run and no others.

Python 3.11 tells a tracer of every call of every module, so tests that are measured take half as
long again. `make test-all` (MAAS_COVERAGE=all) measures everything.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_MEASURED = Path(__file__).parent.parent / "billing"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    plugin = item.config.pluginmanager.get_plugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    whole = os.environ.get("MAAS_COVERAGE") == "all"
    if controller is None or whole or item.path.is_relative_to(_MEASURED):
        return (yield)
    controller.cov.stop()
    try:
        return (yield)
    finally:
        controller.cov.start()
