"""Scheduled events of a soak test, and the failures that they explain."""

from hypothesis import given
from hypothesis import strategies as st

from load.soak.events import (
    POSTGRES,
    ROLLING,
    SCHEDULE,
    STORM,
    UPSTREAM,
    EventRecord,
    scheduled_events,
    unexplained_failures,
)


class TestScheduledEvents:
    @given(st.floats(1, 1e5))
    def test_all_events_are_scheduled_in_order_before_the_end(self, seconds: float) -> None:
        found = scheduled_events(seconds)
        assert [at for at, _ in found] == sorted(at for at, _ in found)
        assert {name for _, name in found} == {name for _, name in SCHEDULE}
        assert all(0 < at < seconds for at, _ in found)


class TestUnexplainedFailures:
    def test_failures_during_and_shortly_after_an_outage_are_explained(self) -> None:
        away = EventRecord(POSTGRES, 100, 110, "")
        failures = [(99.0, "early"), (105.0, "then"), (139.0, "soon"), (141.0, "late")]
        assert unexplained_failures(failures, [away]) == ["early", "late"]

    def test_failures_during_a_storm_or_deployment_are_unexplained(self) -> None:
        for name in (STORM, ROLLING):
            assert unexplained_failures([(5.0, "x")], [EventRecord(name, 0, 10, "")]) == ["x"]
        assert unexplained_failures([(5.0, "x")], [EventRecord(UPSTREAM, 0, 10, "")]) == []
