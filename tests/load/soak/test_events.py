"""What happens when, and which failures that excuses."""

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


class TestDue:
    @given(st.floats(1, 1e5))
    def test_all_of_it_in_order_and_before_the_end(self, seconds: float) -> None:
        found = scheduled_events(seconds)
        assert [at for at, _ in found] == sorted(at for at, _ in found)
        assert {name for _, name in found} == {name for _, name in SCHEDULE}
        assert all(0 < at < seconds for at, _ in found)


class TestExcuses:
    def test_only_while_something_is_away_and_a_little_longer(self) -> None:
        away = EventRecord(POSTGRES, 100, 110, "")
        failures = [(99.0, "early"), (105.0, "then"), (139.0, "soon"), (141.0, "late")]
        assert unexplained_failures(failures, [away]) == ["early", "late"]

    def test_a_storm_and_a_deploy_excuse_nothing(self) -> None:
        for name in (STORM, ROLLING):
            assert unexplained_failures([(5.0, "x")], [EventRecord(name, 0, 10, "")]) == ["x"]
        assert unexplained_failures([(5.0, "x")], [EventRecord(UPSTREAM, 0, 10, "")]) == []
