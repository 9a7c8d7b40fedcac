"""Retries of Ray's start when its node does not register in time."""

from dataclasses import dataclass, field

import pytest

from serving.cluster.slow_start import MAX_ATTEMPTS, retry_slow_start

TIMEOUT = Exception("The current node timed out during startup. This could happen because …")


@dataclass
class FailingStart:
    """A start that raises the given errors, one per attempt, and then succeeds."""

    errors: list[Exception]
    events: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.events.append("start")
        if self.errors:
            raise self.errors.pop(0)

    def kill(self) -> None:
        self.events.append("kill")


class TestRetrySlowStart:
    def test_successful_start_is_not_repeated(self) -> None:
        ray = FailingStart([])
        retry_slow_start(ray.start, ray.kill)
        assert ray.events == ["start"]

    def test_timeout_kills_processes_and_starts_again(self) -> None:
        ray = FailingStart([TIMEOUT])
        retry_slow_start(ray.start, ray.kill)
        assert ray.events == ["start", "kill", "start"]

    def test_timeout_of_last_attempt_is_raised(self) -> None:
        ray = FailingStart([TIMEOUT] * MAX_ATTEMPTS)
        with pytest.raises(Exception, match="timed out during startup"):
            retry_slow_start(ray.start, ray.kill)
        assert ray.events.count("start") == MAX_ATTEMPTS

    def test_other_error_is_raised_at_once(self) -> None:
        ray = FailingStart([RuntimeError("no space left")])
        with pytest.raises(RuntimeError, match="no space left"):
            retry_slow_start(ray.start, ray.kill)
        assert ray.events == ["start"]
