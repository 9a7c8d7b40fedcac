"""The connector carries out commands once, within the owner's limits, and keeps dead-man timers."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.plant.commands.documents import sign_limits
from gateway.plant.commands.values import CommandLimits, Refusal, Renewal, Report, ReportStatus
from gateway.plant.connector.commands.dead_man import DeadManTimers
from gateway.plant.connector.commands.executing import Executor
from gateway.plant.connector.commands.journal import Journal
from gateway.plant.connector.commands.trust import LimitsVerifier
from tests.support.plant.collecting import new_metrics
from tests.support.plant.commands import (
    ACCOUNT,
    CONNECTOR,
    NOW,
    TAG,
    SetClock,
    Valve,
    command,
    limits,
    owner_keys,
    point,
)

DEAD_MAN = point(dead_man_s=600.0, safe_value=3.0)


class Plant:
    """A connector with one valve; `restart` begins another process on the same journal."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "commands.db"
        self.clock = SetClock()
        self.valve = Valve()
        self.start()

    def start(self) -> None:
        self.journal = Journal(self._file)
        self.timers = DeadManTimers(self.journal, self.clock)
        targets = {TAG: self.valve}
        self.executor = Executor(targets, self.journal, self.timers, self.clock, new_metrics())

    def restart(self) -> None:
        self.journal.close()
        self.start()

    async def execute(self, *args: Any, on: CommandLimits | None = None, **fields: Any) -> Report:
        sent = command(*args, **{"at": self.clock.at, **fields})
        return await self.executor.execute(sent, on or limits())


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    started = Plant(tmp_path)
    yield started
    started.journal.close()


class TestExecution:
    async def test_value_is_written_and_read_back(self, plant: Plant) -> None:
        report = await plant.execute(4.5)
        assert (report.status, report.value_before, report.value_read) == ("done", 4.0, 4.5)
        assert plant.valve.writes == [4.5]

    async def test_repeated_delivery_writes_once(self, plant: Plant) -> None:
        first = await plant.execute(4.5)
        plant.restart()
        plant.clock.pass_s(3_600)
        assert await plant.execute(4.5) == first
        assert plant.valve.writes == [4.5]

    async def test_refused_command_writes_nothing_and_stays_refused(self, plant: Plant) -> None:
        refused = await plant.execute(7.0)
        assert (refused.status, refused.code) == ("refused", Refusal.VALUE_OUTSIDE)
        again = await plant.execute(7.0, on=limits(point(maximum=9.0)))
        assert again == refused
        assert plant.valve.writes == []

    async def test_step_is_refused_with_the_value_read(self, plant: Plant) -> None:
        report = await plant.execute(5.0, on=limits(point(max_step=0.5)))
        assert (report.code, report.value_before) == (Refusal.STEP_TOO_LARGE, 4.0)
        assert plant.valve.writes == []

    async def test_rates_count_writes_of_earlier_processes(self, plant: Plant) -> None:
        once = limits(point(max_per_hour=1))
        await plant.execute(4.5, on=once)
        plant.restart()
        plant.clock.pass_s(60)
        assert (await plant.execute(4.6, "cmd_2", on=once)).code == Refusal.TOO_MANY
        plant.clock.pass_s(3_600)
        assert (await plant.execute(4.6, "cmd_3", on=once)).status is ReportStatus.DONE

    async def test_late_command_and_clock_set_back_are_refused(self, plant: Plant) -> None:
        late = command(4.5, at=NOW - timedelta(minutes=10))
        assert (await plant.executor.execute(late, limits())).code == Refusal.COMMAND_EXPIRED
        early = command(4.5, "cmd_2", at=NOW + timedelta(minutes=10))
        assert (await plant.executor.execute(early, limits())).code == Refusal.CLOCK_DIFFERS
        assert plant.valve.writes == []

    async def test_value_that_is_not_taken_is_not_confirmed(self, plant: Plant) -> None:
        plant.valve.takes = False
        report = await plant.execute(4.5)
        assert (report.status, report.value_read) == ("not_confirmed", 4.0)

    async def test_device_of_another_unit_is_refused(self, plant: Plant) -> None:
        plant.valve.unit = "kPa"
        assert (await plant.execute(4.5)).code == Refusal.UNIT_DIFFERS

    async def test_unknown_point_and_silent_device_are_refused(self, plant: Plant) -> None:
        other = limits(point(), point(tag="OTHER"))
        assert (await plant.execute(4.5, tag="OTHER", on=other)).code == Refusal.TARGET_MISSING
        plant.valve.answers = False
        assert (await plant.execute(4.5, "cmd_2")).code == Refusal.UNREACHABLE

    @pytest.mark.parametrize(("value", "status"), [(4.5, "done"), (4.0, "not_confirmed")])
    async def test_killed_connector_reads_back_and_does_not_write_again(
        self, plant: Plant, value: float, status: str
    ) -> None:
        sent = command(4.5)
        plant.journal.begin(sent, 4.0, NOW)
        plant.valve.value = value
        plant.restart()
        report = await plant.executor.execute(sent, limits())
        assert (report.status, report.value_before, report.value_read) == (status, 4.0, value)
        assert plant.valve.writes == []
        assert list(plant.journal.unsent(10)) == [report]


class TestDeadMan:
    async def begin(self, plant: Plant) -> None:
        report = await plant.execute(4.5, on=limits(DEAD_MAN))
        assert report.status is ReportStatus.DONE

    async def end(self, plant: Plant) -> list[str]:
        """Write the safe values that are due."""
        due = list(plant.timers.due())
        for tag in due:
            await plant.executor.write_safe_value(tag)
        return due

    async def test_command_that_is_not_renewed_ends_with_the_safe_value(self, plant: Plant) -> None:
        await self.begin(plant)
        plant.clock.pass_s(599)
        assert await self.end(plant) == []
        plant.clock.pass_s(2)
        assert await self.end(plant) == [TAG]
        assert plant.valve.writes == [4.5, 3.0]
        (report,) = plant.journal.unsent(10)
        assert (report.status, report.command, report.value_read) == ("safe", "cmd_1", 3.0)
        assert await self.end(plant) == []

    async def test_renewals_restart_the_timer_but_repeated_ones_do_not(self, plant: Plant) -> None:
        await self.begin(plant)
        plant.clock.pass_s(500)
        renewal = Renewal(command="cmd_1", tag=TAG, at=NOW + timedelta(seconds=400))
        assert plant.timers.renew(renewal)
        plant.clock.pass_s(500)
        assert await self.end(plant) == []
        assert not plant.timers.renew(renewal)
        other = Renewal(command="cmd_9", tag=TAG, at=NOW + timedelta(seconds=900))
        assert not plant.timers.renew(other)
        plant.clock.pass_s(101)
        assert await self.end(plant) == [TAG]

    async def test_jump_of_the_time_of_day_changes_no_running_timer(self, plant: Plant) -> None:
        await self.begin(plant)
        plant.clock.at -= timedelta(days=1)
        assert await self.end(plant) == []
        plant.clock.at += timedelta(days=9)
        assert await self.end(plant) == []
        plant.clock.elapsed_s += 601
        assert await self.end(plant) == [TAG]

    @pytest.mark.parametrize(("passed_s", "ends"), [(300, False), (601, True), (-60, True)])
    async def test_restarted_connector_goes_on_with_the_timer(
        self, plant: Plant, passed_s: float, ends: bool
    ) -> None:
        await self.begin(plant)
        plant.clock.at += timedelta(seconds=passed_s)
        plant.clock.elapsed_s = 0.0
        plant.restart()
        assert bool(await self.end(plant)) == ends

    async def test_safe_value_is_written_until_the_device_confirms_it(self, plant: Plant) -> None:
        await self.begin(plant)
        plant.clock.pass_s(601)
        plant.valve.answers = False
        await self.end(plant)
        plant.valve.answers, plant.valve.takes = True, False
        plant.clock.pass_s(10)
        await self.end(plant)
        plant.valve.takes = True
        plant.clock.pass_s(10)
        assert await self.end(plant) == [TAG]
        assert plant.valve.value == 3.0
        assert plant.timers.armed == {}

    async def test_only_the_former_value_ends_the_timer(self, plant: Plant) -> None:
        await self.begin(plant)
        on = limits(DEAD_MAN)
        other = await plant.execute(5.0, "cmd_2", on=on, ends_control=True)
        assert other.code == Refusal.NOT_FORMER_VALUE
        former = await plant.execute(4.0, "cmd_3", on=on, ends_control=True)
        assert (former.status, plant.timers.armed) == ("done", {})


class TestTrust:
    @pytest.fixture
    def verifier(self, plant: Plant) -> LimitsVerifier:
        self.private, self.public = owner_keys()
        return LimitsVerifier(ACCOUNT, CONNECTOR, [self.public], plant.journal)

    def test_limits_of_the_owner_are_accepted(self, verifier: LimitsVerifier) -> None:
        assert verifier.verify(sign_limits(limits(), self.private)) == (limits(), None)
        assert verifier.verify(None) == (None, Refusal.LIMITS_MISSING)

    @pytest.mark.parametrize("fields", [{"account": "acct_2"}, {"connector": "line-2"}])
    def test_limits_of_another_plant_are_refused(
        self, verifier: LimitsVerifier, fields: dict[str, Any]
    ) -> None:
        token = sign_limits(limits(**fields), self.private)
        assert verifier.verify(token) == (None, Refusal.LIMITS_INVALID)

    def test_key_that_was_removed_is_refused(self, plant: Plant, verifier: LimitsVerifier) -> None:
        token = sign_limits(limits(), self.private)
        after = LimitsVerifier(ACCOUNT, CONNECTOR, [owner_keys()[1]], plant.journal)
        assert after.verify(token) == (None, Refusal.LIMITS_INVALID)

    def test_replaced_limits_are_refused_also_after_a_restart(
        self, plant: Plant, verifier: LimitsVerifier
    ) -> None:
        older = sign_limits(limits(point(maximum=99.0)), self.private)
        newer = limits(issued_at=NOW)
        assert verifier.verify(sign_limits(newer, self.private)) == (newer, None)
        plant.restart()
        after = LimitsVerifier(ACCOUNT, CONNECTOR, [self.public], plant.journal)
        assert after.verify(sign_limits(newer, self.private)) == (newer, None)
        assert after.verify(older) == (None, Refusal.LIMITS_INVALID)
