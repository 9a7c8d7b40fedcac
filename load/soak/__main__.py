"""`make soak`: an hour at 60 % of what the service can do, while things happen to it.

Owns the order: saturate, load, let things happen, settle, check, tell. The report is written all
the while, and at the end also where the run was interrupted. Exits with 1 where
something did not hold.
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
from load.soak.database_unavailability import absences
from load.soak.events import FAILED, Happened, due
from load.soak.fault_injection import Happening, reconcile
from load.soak.final_checks import hooks_handled, jobs_done, recorded
from load.soak.fleet import Fleet, run_fleet
from load.soak.memory_trend import Series
from load.soak.report import Soak, nothing_left, read_soak, report, verdicts

FIRMS = ("acme", "boltz", "cantor")
_PART = 0.6
_CONNECTIONS = 48
_SETTLE_S = 60.0


class Run:
    """One soak on one fleet."""

    def __init__(self, fleet: Fleet, given: argparse.Namespace, out: Path) -> None:
        self._fleet = fleet
        self._given = given
        self._out = out
        self._answers = fleet.folder / "answered.txt"
        self._stopping = asyncio.Event()
        storm = given.storm or max(100, round(50 * given.minutes))
        self._happening = Happening(fleet, given.away_seconds, storm)
        began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        self.soak = Soak(began, 60 * given.minutes)

    async def whole(self) -> Soak:
        """From saturation to the last check."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        await self._saturate()
        await self._load()
        _say("settling and checking")
        await self._check()
        return self.soak

    def _clients(self, seed: int) -> Clients:
        return Clients(lambda: self._fleet.urls, self._fleet.firms, self._answers, seed)

    async def _saturate(self) -> None:
        clients = self._clients(1)
        seconds = self._given.saturation_seconds
        self.soak.saturation_s = await clients.saturate(_CONNECTIONS, seconds)
        wanted = max(1.0, _PART * self.soak.saturation_s)
        self.soak.rate_s = min(wanted, self._given.most_rate)
        _say(f"saturated at {self.soak.saturation_s:.0f} calls/s; from now {self.soak.rate_s:.0f}")
        if clients.account.failures:
            _say(f"calls failed while saturating: {clients.account.failures[:3]}")
        clients.close()

    async def _load(self) -> None:
        clients, began = self._clients(2), time.monotonic()
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(clients.steady(self.soak.rate_s))
            watching = group.create_task(self._watch(clients, began))
            try:
                await self._events(began)
            finally:
                clients.stop()
                await calling
                watching.cancel()
        await self._ask()
        self._take(clients, began)
        clients.close()
        self.soak.interrupted = self._stopping.is_set()

    async def _events(self, began: float) -> None:
        """Each when it is due; then until the time is over, or somebody interrupts."""
        for at_s, name in due(self.soak.wanted_s):
            if await self._wait(began + at_s):
                return
            starts = time.monotonic() - began
            _say(f"now: {name}")
            outcome = await self._made(name)
            self.soak.hooks_sent = self._happening.distinct
            ended = time.monotonic() - began
            self.soak.happened.append(Happened(name, starts, ended, outcome))
        await self._wait(began + self.soak.wanted_s)

    async def _made(self, name: str) -> str:
        """What came of an event. One that cannot be carried through is told at the end: what was
        answered until then is to be checked all the same."""
        try:
            return await self._happening.make(name)
        except (RuntimeError, OSError, TimeoutError, ValueError) as error:
            _say(f"{name}: {error}")
            return f"{FAILED}: {error}"

    async def _wait(self, until: float) -> bool:
        """Whether somebody interrupted."""
        try:
            await asyncio.wait_for(self._stopping.wait(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            return False
        return True

    async def _watch(self, clients: Clients, began: float) -> None:
        """Memory and progress, again and again, and the report as it stands."""
        every = min(30.0, max(2.0, self.soak.wanted_s / 120))
        while True:
            await asyncio.sleep(every)
            self._sample(time.monotonic() - began)
            await self._ask()
            self._take(clients, began)
            self.soak.write(self._out)
            account, p99 = clients.account, clients.account.recent_ms(0.99)
            _say(
                f"{self.soak.lasted_s / 60:.1f} of {self.soak.wanted_s / 60:.1f} min: "
                f"{account.answered} answered, {len(account.failures)} failed, "
                f"p99 {'–' if p99 is None else f'{p99:.0f}'} ms, "
                + ", ".join(f"{one.name} {one.mib[-1]:.0f} MiB" for one in self._living())
            )

    async def _ask(self) -> None:
        self.soak.absences = {**self.soak.absences, **await absences(self._fleet.gateways)}

    def _sample(self, at_s: float) -> None:
        series = {one.name: one for one in self.soak.series}
        for part in self._fleet.parts:
            name = f"{part.name}, start {part.generation}"
            mib = _rss_mib(part.pid)
            if mib is not None:
                series.setdefault(name, Series(name)).add(at_s, mib)
        self.soak.series = list(series.values())

    def _living(self) -> list[Series]:
        """Those of the newest sample."""
        newest = max((one.times[-1] for one in self.soak.series), default=0.0)
        return [one for one in self.soak.series if one.times[-1] == newest]

    def _take(self, clients: Clients, began: float) -> None:
        clients.flush()
        self.soak.lasted_s = time.monotonic() - began
        self.soak.answered = clients.account.answered
        self.soak.not_sent = clients.account.not_sent
        self.soak.failures = list(clients.account.failures)

    async def _check(self) -> None:
        soak, url = self.soak, self._fleet.postgres.url
        parts = [*self._fleet.parts, *self._fleet.upstreams]
        soak.fallen = [part.name for part in parts if part.pid is None]
        deadline = time.monotonic() + _SETTLE_S
        while True:
            soak.reconciled = said = await reconcile(self._fleet)
            if said["differences"] or nothing_left(said) or time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
        soak.recorded = await recorded(url, self._answers)
        soak.hooks = await hooks_handled(url, soak.hooks_sent)
        soak.jobs = await jobs_done(url)


def main() -> None:
    """Run, or tell again of a run that was killed."""
    given = _options()
    if given.report:
        sys.stdout.write(report(read_soak(Path(given.report))))
        return
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="maas-soak-", ignore_cleanup_errors=True) as name:
        _say("starting the service")
        with run_fleet(Path(name), FIRMS) as fleet:
            soak = asyncio.run(_run(fleet, given, out))
    soak.write(out)
    sys.stdout.write(report(soak))
    _say(f"the report is in {out}")
    sys.exit(1 if False in verdicts(soak).values() else 0)


async def _run(fleet: Fleet, given: argparse.Namespace, out: Path) -> Soak:
    run = Run(fleet, given, out)
    try:
        return await run.whole()
    except BaseException:
        run.soak.interrupted = True
        run.soak.write(out)
        raise


def _rss_mib(pid: int | None) -> float | None:
    try:
        rss = 0 if pid is None else psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return None
    return rss / (1 << 20) if rss else None  # one that is ending has none left


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stderr.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=60)
    add("--saturation-seconds", type=float, default=20, help="how long to find it out")
    add("--most-rate", type=float, default=1e9, help="calls/s at most, for a crowded machine")
    add("--away-seconds", type=float, default=5, help="for how long things are taken away")
    add("--storm", type=int, help="webhooks at once; 50 for each minute where it is not said")
    add("--out", default="build/soak", help="where the report goes")
    add("--report", help="tell again what this soak.json says, also of a run that was killed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
