"""Health of assets: newest verdicts that are merged, expire, and are rolled up to the top."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.plant.predictions.health import Health, NewestVerdict, merge_newest, roll_up

NOW = datetime(2026, 11, 30, tzinfo=UTC)
TOP, LINE, PUMP, MOTOR, GONE = (UUID(int=number) for number in range(1, 6))
PARENTS = {TOP: None, LINE: TOP, PUMP: LINE, MOTOR: LINE}


def verdict(number: int, level: int, days: float = 0) -> NewestVerdict:
    return NewestVerdict(UUID(int=100 + number), NOW - timedelta(days=days), level)


def test_asset_is_as_its_worst_part_and_counts_alarms() -> None:
    newest = {
        (PUMP, "a"): verdict(1, 1),
        (PUMP, "b"): verdict(2, 3),
        (MOTOR, "a"): verdict(3, 2),
        (GONE, "a"): verdict(4, 3),
        (LINE, "a"): verdict(5, 0),
    }
    found = roll_up(newest, PARENTS)
    assert (found[PUMP].own, found[PUMP].alarms) == (Health.ATTENTION, 1)
    assert (found[LINE].own, found[LINE].whole) == (Health.UNKNOWN, Health.ATTENTION)
    assert (found[TOP].whole, found[TOP].alarms) == (Health.ATTENTION, 1)
    assert found[GONE].own is Health.ATTENTION


def test_newer_verdict_replaces_and_an_old_one_expires() -> None:
    since = NOW - timedelta(days=7)
    known = {(PUMP, "a"): verdict(1, 3), (MOTOR, "a"): verdict(2, 3, days=6)}
    assert merge_newest(known, {(PUMP, "a"): verdict(1, 3)}, since) is known
    newer = merge_newest(known, {(PUMP, "a"): verdict(9, 1)}, since)
    assert newer[PUMP, "a"].level == 1
    later = merge_newest(newer, {}, since + timedelta(days=2))
    assert set(later) == {(PUMP, "a")}
    # One that was read late, by its id older than the known one, changes nothing.
    assert merge_newest(known, {(PUMP, "a"): verdict(0, 1)}, since) is known
