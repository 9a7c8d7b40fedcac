"""When the real engine of a test run ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.engine.plugin import Leading


class Engine:
    def __init__(self) -> None:
        self.ended = False

    def end(self) -> None:
        self.ended = True


def report(*keywords: str) -> Any:
    return SimpleNamespace(when="teardown", keywords=dict.fromkeys(keywords, 1))


@pytest.mark.parametrize(
    ("keywords", "ended"), [(("serving", "real_engine"), True), (("tests", "serving"), False)]
)
def test_engine_ends_after_its_own_tests_and_not_those_of_the_serving_folder(
    keywords: tuple[str, ...], ended: bool
) -> None:
    leading, engine = Leading(), Engine()
    leading.folder.want(1)
    leading._engine = engine  # type: ignore[assignment]
    leading.pytest_runtest_logreport(report(*keywords))
    leading._engine = None
    leading.stop()
    assert engine.ended is ended
