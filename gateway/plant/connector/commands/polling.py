"""Fetch commands from the gateway, carry them out, report outcomes, and watch dead-man timers."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog

from gateway.plant.commands.exchange import (
    EXCHANGE_PATH,
    MAX_REPORTS,
    ExchangeRequest,
    ExchangeResponse,
)
from gateway.plant.commands.values import Command, CommandLimits, Refusal
from gateway.plant.connector.commands.building import TargetBuilder
from gateway.plant.connector.commands.dead_man import DeadManTimers
from gateway.plant.connector.commands.executing import Executor
from gateway.plant.connector.commands.journal import Journal
from gateway.plant.connector.commands.trust import LimitsVerifier, load_owner_keys
from gateway.plant.connector.config import ConnectorConfig
from infra.clock import Clock
from infra.telemetry.plant_metrics import ConnectorMetrics

_JOURNAL = "commands.db"
_WATCH_S = 0.5
_MAX_DELAY_S = 60.0


class CommandRunner:
    """Runs the commands of one connector until cancelled."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        connector: str,
        tags: list[str],
        verifier: LimitsVerifier,
        journal: Journal,
        timers: DeadManTimers,
        executor: Executor,
        clock: Clock,
    ) -> None:
        self._client = client
        self._connector = connector
        self._tags = tags
        self._verifier = verifier
        self._journal = journal
        self._timers = timers
        self._executor = executor
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger()

    async def run(self, poll_s: float) -> None:
        """Exchange with the gateway every `poll_s` seconds, less often while it does not answer."""
        delay_s = poll_s
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                is_answered = await self.exchange()
                delay_s = poll_s if is_answered else min(2 * delay_s, _MAX_DELAY_S)
                await asyncio.sleep(delay_s)
        finally:
            tasks = [watching, *self._busy.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def exchange(self) -> bool:
        """Report outcomes, and begin the commands of the answer. Returns whether it came."""
        reports = list(self._journal.unsent(MAX_REPORTS))
        body = ExchangeRequest(
            connector=self._connector,
            keys=self._verifier.key_ids,
            tags=self._tags,
            reports=reports,
        )
        try:
            answer = await self._client.post(
                EXCHANGE_PATH,
                content=msgspec.json.encode(body),
                headers={"content-type": "application/json"},
            )
            answer.raise_for_status()
            response = msgspec.json.decode(answer.content, type=ExchangeResponse)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            self._log.warning("commands cannot be fetched", error=str(error)[:300])
            return False
        self._journal.set_sent(reports, self._clock.now())
        for renewal in response.renewals:
            self._timers.renew(renewal)
        limits, invalid = self._verifier.verify(response.limits)
        for command in response.commands:
            self._begin(command, limits, invalid)
        return True

    def write_safe_values(self) -> None:
        """Write the safe values of points whose dead-man timers have ended, unless one is busy."""
        for tag in self._timers.due():
            if tag not in self._busy:
                self._start(tag, self._write_safe_value(tag))

    async def settle(self) -> None:
        """Wait for what was begun."""
        while self._busy:
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def _begin(
        self, command: Command, limits: CommandLimits | None, invalid: Refusal | None
    ) -> None:
        """Begin a command; while its point is busy it waits for the next delivery."""
        if command.tag not in self._busy:
            self._start(command.tag, self._execute(command, limits, invalid))

    async def _execute(
        self, command: Command, limits: CommandLimits | None, invalid: Refusal | None
    ) -> None:
        """Carry out a command."""
        await self._executor.execute(command, limits, invalid)

    async def _write_safe_value(self, tag: str) -> None:
        """Write a safe value if the timer was not renewed meanwhile."""
        if tag in self._timers.due():
            await self._executor.write_safe_value(tag)

    def _start(self, tag: str, work: Coroutine[Any, Any, None]) -> None:
        """Run the work on a point in the background."""
        self._busy[tag] = asyncio.create_task(self._run(tag, work))

    async def _run(self, tag: str, work: Coroutine[Any, Any, None]) -> None:
        """Run the work on a point; one that fails does not end the others."""
        try:
            await work
        except Exception as error:
            self._log.error("a command failed", tag=tag, exc_info=error)
            self._timers.postpone(tag)
        finally:
            del self._busy[tag]

    async def _watch(self) -> None:
        """Look for ended dead-man timers until cancelled."""
        while True:
            self.write_safe_values()
            await asyncio.sleep(_WATCH_S)


@asynccontextmanager
async def commanding(
    config: ConnectorConfig,
    client: httpx.AsyncClient,
    environment: Mapping[str, str],
    clock: Clock,
    metrics: ConnectorMetrics,
) -> AsyncIterator[Sequence[Coroutine[Any, Any, None]]]:
    """Yield what runs commands until it is cancelled; nothing without the section `[commands]`.

    Raises ConnectorConfigInvalid.
    """
    if config.commands is None:
        yield ()
        return
    keys = load_owner_keys(config.commands)
    targets = TargetBuilder(environment, clock, metrics).build(config)
    journal = Journal(Path(config.queue) / _JOURNAL)
    try:
        timers = DeadManTimers(journal, clock)
        verifier = LimitsVerifier(config.commands.account, config.source, keys, journal)
        executor = Executor(targets, journal, timers, clock, metrics)
        tags = list(targets)
        runner = CommandRunner(
            client, config.source, tags, verifier, journal, timers, executor, clock
        )
        yield (runner.run(config.commands.poll_s),)
    finally:
        journal.close()
