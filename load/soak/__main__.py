"""`make soak`: an hour at 60 % of the service's capacity, with faults injected.

Measures the capacity, applies the load, injects faults, lets the service settle, and checks it. The
report is updated throughout and written when the run is interrupted. Exits with 1 if a check fails.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

import psutil

from load.soak.clients import Clients
from load.soak.database_unavailability import unavailability
from load.soak.events import FAILED, EventRecord, scheduled_events
from load.soak.fault_injection import FaultInjector, reconcile
from load.soak.final_checks import read_worker_jobs, recorded, wait_for_webhooks
from load.soak.fleet import Fleet, run_fleet
from load.soak.memory_trend import MemorySeries
from load.soak.report import SoakResult, is_nothing_pending, read_soak, render_report, verdicts

FIRMS = ("acme", "boltz", "cantor")
_LOAD_SHARE = 0.6
_CONNECTIONS = 48
_SETTLE_S = 60.0


class SoakRun:
    """One soak test on one fleet."""

    def __init__(self, fleet: Fleet, options: argparse.Namespace, out: Path) -> None:
        self._fleet = fleet
        self._options = options
        self._out = out
        self._answers = fleet.folder / "answered.txt"
        self._stopping = asyncio.Event()
        storm = options.storm or max(100, round(50 * options.minutes))
        self._injector = FaultInjector(fleet, options.away_seconds, storm)
        began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self.soak = SoakResult(began, 60 * options.minutes)

    async def run(self) -> SoakResult:
        """Run from the capacity measurement to the final checks."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        await self._saturate()
        await self._load()
        _log("settling and checking")
        await self._check()
        return self.soak

    def _clients(self, seed: int) -> Clients:
        return Clients(lambda: self._fleet.urls, self._fleet.firms, self._answers, seed)

    async def _saturate(self) -> None:
        """Measure the capacity and set the rate of the load."""
        clients = self._clients(1)
        seconds = self._options.saturation_seconds
        self.soak.saturation_s = await clients.saturate(_CONNECTIONS, seconds)
        target_rate = max(1.0, _LOAD_SHARE * self.soak.saturation_s)
        self.soak.rate_s = min(target_rate, self._options.most_rate)
        _log(f"saturated at {self.soak.saturation_s:.0f} calls/s; from now {self.soak.rate_s:.0f}")
        if clients.stats.failures:
            _log(f"calls failed while saturating: {clients.stats.failures[:3]}")
        clients.close()

    async def _load(self) -> None:
        """Apply the load while faults are injected."""
        clients, began = self._clients(2), time.monotonic()
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(clients.run_at_rate(self.soak.rate_s))
            watching = group.create_task(self._watch(clients, began))
            try:
                await self._events(began)
            finally:
                clients.stop()
                await calling
                watching.cancel()
        await self._read_unavailability()
        self._update_result(clients, began)
        clients.close()
        self.soak.interrupted = self._stopping.is_set()

    async def _events(self, began: float) -> None:
        """Inject each fault at its time, then wait until the end or an interrupt."""
        for at_s, name in scheduled_events(self.soak.planned_s):
            if await self._wait(began + at_s):
                return
            starts = time.monotonic() - began
            _log(f"now: {name}")
            outcome = await self._inject(name)
            self.soak.webhooks_sent = self._injector.distinct
            ended = time.monotonic() - began
            self.soak.event_records.append(EventRecord(name, starts, ended, outcome))
        await self._wait(began + self.soak.planned_s)

    async def _inject(self, name: str) -> str:
        """Inject a fault and return its outcome.

        A fault that fails does not end the run, because the calls answered so far must still be
        checked.
        """
        try:
            return await self._injector.inject(name)
        except (RuntimeError, OSError, TimeoutError, ValueError) as error:
            _log(f"{name}: {error}")
            return f"{FAILED}: {error}"

    async def _wait(self, until: float) -> bool:
        """Wait until a monotonic time. Returns True if the run was interrupted."""
        try:
            await asyncio.wait_for(self._stopping.wait(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            return False
        return True

    async def _watch(self, clients: Clients, began: float) -> None:
        """Sample memory, log progress and write the report periodically."""
        every = min(30.0, max(2.0, self.soak.planned_s / 120))
        while True:
            await asyncio.sleep(every)
            self._sample(time.monotonic() - began)
            await self._read_unavailability()
            self._update_result(clients, began)
            self.soak.write(self._out)
            stats, p99 = clients.stats, clients.stats.recent_ms(0.99)
            _log(
                f"{self.soak.elapsed_s / 60:.1f} of {self.soak.planned_s / 60:.1f} min: "
                f"{stats.answered} answered, {len(stats.failures)} failed, "
                f"p99 {'–' if p99 is None else f'{p99:.0f}'} ms, "
                + ", ".join(f"{one.name} {one.mib[-1]:.0f} MiB" for one in self._newest_series())
            )

    async def _read_unavailability(self) -> None:
        self.soak.unavailability = {
            **self.soak.unavailability,
            **await unavailability(self._fleet.gateways),
        }

    def _sample(self, at_s: float) -> None:
        series = {one.name: one for one in self.soak.series}
        for process in self._fleet.monitored_processes:
            name = f"{process.name}, start {process.start_count}"
            mib = _rss_mib(process.pid)
            if mib is not None:
                series.setdefault(name, MemorySeries(name)).add(at_s, mib)
        self.soak.series = list(series.values())

    def _newest_series(self) -> list[MemorySeries]:
        """Return the series with the newest sample: those of running processes."""
        newest = max((one.times[-1] for one in self.soak.series), default=0.0)
        return [one for one in self.soak.series if one.times[-1] == newest]

    def _update_result(self, clients: Clients, began: float) -> None:
        clients.flush()
        self.soak.elapsed_s = time.monotonic() - began
        self.soak.answered = clients.stats.answered
        self.soak.not_sent = clients.stats.not_sent
        self.soak.failures = list(clients.stats.failures)

    async def _check(self) -> None:
        """Check the database, webhooks and jobs once nothing is pending."""
        soak, url = self.soak, self._fleet.postgres.url
        processes = [*self._fleet.monitored_processes, *self._fleet.upstreams]
        soak.crashed = [process.name for process in processes if process.pid is None]
        deadline = time.monotonic() + _SETTLE_S
        while True:
            soak.reconciled = data = await reconcile(self._fleet)
            if data["differences"] or is_nothing_pending(data) or time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
        soak.recorded = await recorded(url, self._answers)
        soak.webhooks = await wait_for_webhooks(url, soak.webhooks_sent)
        soak.jobs = await read_worker_jobs(url)


def main() -> None:
    """Run a soak test, or render the report of an interrupted one."""
    options = _options()
    if options.report:
        sys.stdout.write(render_report(read_soak(Path(options.report))))
        return
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="maas-soak-", ignore_cleanup_errors=True) as name:
        _log("starting the service")
        with run_fleet(Path(name), FIRMS) as fleet:
            soak = asyncio.run(_run(fleet, options, out))
    soak.write(out)
    sys.stdout.write(render_report(soak))
    _log(f"the report is in {out}")
    sys.exit(1 if False in verdicts(soak).values() else 0)


async def _run(fleet: Fleet, options: argparse.Namespace, out: Path) -> SoakResult:
    """Run a soak test; its result is written even if it fails."""
    soak_run = SoakRun(fleet, options, out)
    try:
        return await soak_run.run()
    except BaseException:
        soak_run.soak.interrupted = True
        soak_run.soak.write(out)
        raise


def _rss_mib(pid: int | None) -> float | None:
    """Return the resident memory of a process in MiB, or None if it has ended."""
    try:
        rss = 0 if pid is None else psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return None
    return rss / (1 << 20) if rss else None  # an ending process has none


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stderr.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=60)
    add("--saturation-seconds", type=float, default=20, help="duration of the capacity measurement")
    add("--most-rate", type=float, default=1e9, help="maximum calls/s, for a shared machine")
    add("--away-seconds", type=float, default=5, help="how long a stopped process stays away")
    add("--storm", type=int, help="webhooks at once; default: 50 per minute of the run")
    add("--out", default="build/soak", help="folder of the report")
    add("--report", help="render the report of a soak.json, also of a killed run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
