"""Carry out commands: check, read, write, read back; and safe values of dead-man timers.

    new -> checked -> begun (durable) -> written -> read back -> ended (durable) -> reported

A command that was begun before the connector was killed is not written again: it is read back only.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import structlog

from gateway.plant.assets.units import canonical_unit
from gateway.plant.commands.checks import check_before_write, check_step, is_confirmed
from gateway.plant.commands.values import (
    Command,
    CommandLimits,
    PointLimits,
    Refusal,
    Report,
    ReportStatus,
)
from gateway.plant.connector.commands.dead_man import DeadManTimers
from gateway.plant.connector.commands.journal import Armed, Entry, Journal
from gateway.plant.connector.commands.targets import (
    Channel,
    TargetAccessDenied,
    TargetUnreachable,
    WriteTarget,
)
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics


class Executor:
    """Carries out commands on the targets of a connector, one at a time for each point."""

    def __init__(
        self,
        targets: Mapping[str, WriteTarget],
        journal: Journal,
        timers: DeadManTimers,
        clock: Clock,
        metrics: ConnectorMetrics,
    ) -> None:
        self._targets = targets
        self._journal = journal
        self._timers = timers
        self._clock = clock
        self._metrics = metrics
        self._log = structlog.get_logger()

    async def execute(
        self, command: Command, limits: CommandLimits | None, invalid: Refusal | None = None
    ) -> Report:
        """Carry out a command once and return its outcome; a repeated one returns the first.

        invalid: why the limits that came with the command cannot be used.
        """
        entry = self._journal.find(command.id)
        if entry is not None and entry.report is not None:
            return entry.report
        if entry is not None:
            return await self._recover(entry, limits)
        refusal = invalid or self._refusal(command, limits)
        point = None if limits is None else limits.of_tag(command.tag)
        if refusal is not None or point is None:
            return self._refuse(command, refusal or Refusal.POINT_NOT_LISTED)
        try:
            async with self._targets[command.tag].open() as channel:
                return await self._write(command, point, channel)
        except TargetUnreachable as error:
            return self._failed(command, error)

    async def write_safe_value(self, tag: str) -> bool:
        """Write the safe value of a point whose dead-man timer ended. Returns whether it holds.

        Without confirmation the timer stays, and the safe value is written again.
        """
        armed = self._timers.armed[tag]
        value, within_s = armed.point.safe_value, armed.point.confirm_within_s
        if value is None or tag not in self._targets:
            self._timers.postpone(tag)
            return False
        read = None
        try:
            async with self._targets[tag].open() as channel:
                await channel.write(value)
                read = await channel.confirm(partial(is_confirmed, armed.point, value), within_s)
        except TargetUnreachable as error:
            self._log.error("a safe value could not be written", tag=tag, error=str(error))
        if not is_confirmed(armed.point, value, read):
            self._timers.postpone(tag)
            self._metrics.safe_values.labels("not_confirmed").inc()
            return False
        self._end_control(tag, armed, read)
        return True

    def _end_control(self, tag: str, armed: Armed, read: float | None) -> None:
        """Record that a point has its safe value."""
        self._log.warning("a dead-man timer wrote the safe value", tag=tag)
        self._metrics.safe_values.labels("done").inc()
        entry = self._journal.find(armed.command)
        if entry is not None:
            report = self._report(entry.command, ReportStatus.SAFE, "", entry.before, read)
            self._journal.end(entry.command, report)
        self._timers.stop(tag)

    def _refusal(self, command: Command, limits: CommandLimits | None) -> Refusal | None:
        """Return why a command is refused before the device is asked."""
        now = self._clock.now()
        written = self._journal.written(command.tag, now)
        refusal = check_before_write(limits, command, written, now)
        if refusal is not None:
            return refusal
        target = self._targets.get(command.tag)
        if target is None:
            return Refusal.TARGET_MISSING
        is_same = canonical_unit(target.unit) == command.unit
        return None if is_same else Refusal.UNIT_DIFFERS

    async def _write(self, command: Command, point: PointLimits, channel: Channel) -> Report:
        """Read, check the step, write and read back. Raises TargetUnreachable."""
        before = await channel.read(point.confirm_within_s)
        armed = self._timers.armed.get(command.tag)
        refusal = check_step(command, point, before)
        if refusal is None and command.ends_control and not _is_former(command, armed):
            refusal = Refusal.NOT_FORMER_VALUE
        if refusal is not None:
            return self._refuse(command, refusal, before)
        now = self._clock.now()
        started = _timer(command, point, before, armed, now)
        self._journal.begin(command, before, now, started)
        if started is not None:
            self._timers.started(command.tag, started)
        await channel.write(command.value)
        read = await channel.confirm(
            partial(is_confirmed, point, command.value), point.confirm_within_s
        )
        return self._finish(command, point, before, read)

    def _finish(
        self, command: Command, point: PointLimits, before: float | None, read: float | None
    ) -> Report:
        """Record whether a value that was written was read back."""
        is_done = is_confirmed(point, command.value, read)
        status = ReportStatus.DONE if is_done else ReportStatus.NOT_CONFIRMED
        if is_done and command.ends_control:
            self._timers.stop(command.tag)
        return self._ended(command, self._report(command, status, "", before, read))

    async def _recover(self, entry: Entry, limits: CommandLimits | None) -> Report:
        """Read back a command that was begun when the connector ended; it is not written again."""
        command = entry.command
        point = None if limits is None else limits.of_tag(command.tag)
        if point is None or command.tag not in self._targets:
            report = self._report(command, ReportStatus.NOT_CONFIRMED, "", entry.before)
            return self._ended(command, report)
        try:
            async with self._targets[command.tag].open() as channel:
                read = await channel.read(point.confirm_within_s)
        except TargetUnreachable as error:
            return self._failed(command, error)
        return self._finish(command, point, entry.before, read)

    def _failed(self, command: Command, error: TargetUnreachable) -> Report:
        """Record that a device did not answer: refused if nothing was written, else unknown."""
        self._log.warning("a command failed", command=command.id, error=str(error))
        is_denied = isinstance(error, TargetAccessDenied)
        code = Refusal.ACCESS_DENIED if is_denied else Refusal.UNREACHABLE
        entry = self._journal.find(command.id)
        if entry is None:
            return self._refuse(command, code)
        status = ReportStatus.NOT_CONFIRMED
        return self._ended(command, self._report(command, status, code, entry.before))

    def _refuse(self, command: Command, refusal: Refusal, before: float | None = None) -> Report:
        """Record that a command is refused."""
        self._log.warning("a command was refused", command=command.id, reason=refusal.value)
        report = self._report(command, ReportStatus.REFUSED, refusal, before)
        return self._ended(command, report)

    def _ended(self, command: Command, report: Report) -> Report:
        """Store an outcome durably."""
        self._journal.end(command, report)
        self._metrics.commands.labels(report.status.value, report.code).inc()
        return report

    def _report(
        self, command: Command, status: ReportStatus, code: str = "",
        before: float | None = None, read: float | None = None,
    ) -> Report:  # fmt: skip
        """Return an outcome as of now."""
        return Report(
            command=command.id,
            tag=command.tag,
            status=status,
            at=self._clock.now(),
            code=str(code),
            value_before=before,
            value_read=read,
        )


def _timer(
    command: Command, point: PointLimits, before: float | None, armed: Armed | None, now: datetime
) -> Armed | None:
    """Return the dead-man timer that a command starts, None without one.

    The former value is that before the first of consecutive commands. A command that ends control
    keeps the running timer until it is confirmed.
    """
    if point.dead_man_s is None or command.ends_control:
        return None
    former = before if armed is None else armed.former
    return Armed(
        command=command.id, point=point, former=former, wanted_at=command.created_at, renewed_at=now
    )


def _is_former(command: Command, armed: Armed | None) -> bool:
    """Return whether a command writes the value that the point had before; any without a timer."""
    return armed is None or is_confirmed(armed.point, command.value, armed.former)
