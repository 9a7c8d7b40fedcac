"""Steps that do not depend on each other: one that fails ends no other."""

import pytest
from structlog.testing import capture_logs

from infra.database.database import DatabaseUnavailable, TransactionConflict
from infra.independent_steps import Step, StepsFailed, run_each


class Done:
    """The names of the steps that ran, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def step(self, name: str, error: Exception | None = None) -> Step:
        async def run() -> None:
            self.names.append(name)
            if error is not None:
                raise error

        return run


async def test_step_that_fails_is_logged_and_told_after_all_others_ran() -> None:
    done = Done()
    errors = {"b": ZeroDivisionError(), "c": TransactionConflict()}
    with capture_logs() as logs, pytest.raises(StepsFailed, match="b, c") as caught:
        await run_each({name: done.step(name, errors.get(name)) for name in "abcd"})
    assert done.names == ["a", "b", "c", "d"]
    assert caught.value.failed == ("b", "c")
    assert [(one["step"], one["exc_info"]) for one in logs] == list(errors.items())


async def test_steps_that_succeed_raise_and_log_nothing() -> None:
    done = Done()
    with capture_logs() as logs:
        await run_each({name: done.step(name) for name in "ab"})
    assert (done.names, logs) == (["a", "b"], [])


async def test_lost_database_ends_the_steps_at_once() -> None:
    done = Done()
    with pytest.raises(DatabaseUnavailable):
        await run_each({"a": done.step("a", DatabaseUnavailable()), "b": done.step("b")})
    assert done.names == ["a"]
