"""Timing: the intervals of a process, and the variable that shortens them."""

import pytest

from infra.settings import SettingsInvalid, load_settings
from infra.timing import DEFAULT_TIMING, Timing


def test_divided_timing_has_intervals_divided_by_the_factor() -> None:
    faster = DEFAULT_TIMING.divided(20)
    assert faster.process_ttl_s == DEFAULT_TIMING.process_ttl_s / 20
    assert faster.lease_tick_s == DEFAULT_TIMING.lease_tick_s / 20


def test_queues_have_the_common_interval_unless_they_have_their_own() -> None:
    timing = Timing(work_poll_s=2.0, queue_poll_s={"batches": 0.5})
    assert (timing.poll_s("batches"), timing.poll_s("responses")) == (0.5, 2.0)
    faster = timing.divided(10)
    assert (faster.poll_s("batches"), faster.poll_s("responses")) == (0.05, 0.2)


def test_interval_of_a_queue_that_is_not_positive_is_rejected() -> None:
    with pytest.raises(ValueError, match="batches must be more than 0"):
        Timing(queue_poll_s={"batches": 0})


def test_revoked_key_is_trusted_for_less_than_one_second() -> None:
    assert DEFAULT_TIMING.trust_s < 1
    assert DEFAULT_TIMING.epoch_poll_s < DEFAULT_TIMING.trust_s


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_interval_that_is_not_positive_is_rejected(seconds: float) -> None:
    with pytest.raises(ValueError, match="lease_tick_s must be more than 0"):
        Timing(lease_tick_s=seconds)


class TestTimingVariable:
    def test_omitted_intervals_have_their_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_TIMING", '{"lease_tick_s": 0.1}')
        assert load_settings().timing == Timing(lease_tick_s=0.1)

    def test_a_queue_can_have_its_own_interval(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_TIMING", '{"queue_poll_s": {"batches": 0.5}}')
        assert load_settings().timing == Timing(queue_poll_s={"batches": 0.5})

    @pytest.mark.parametrize("text", ["soon", '{"lease_tick_s": 0}', '{"lease_tick_s": "x"}', "[]"])
    def test_invalid_timing_raises_settings_invalid(
        self, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MAAS_TIMING", text)
        with pytest.raises(SettingsInvalid, match=r"(?i)timing"):
            load_settings()
