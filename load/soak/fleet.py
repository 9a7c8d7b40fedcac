"""The processes of a soak test: PostgreSQL, two model servers, two gateways, a worker, Stripe's
stand-in."""

import asyncio
import os
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.database.embedded_postgres import EmbeddedPostgres, start_postgres
from infra.database.migrate import migrate
from infra.processes import start_module, stop_process
from load.deployment.firms import Firm
from load.deployment.service import (
    clean_environment,
    create_firms,
    free_port,
    stripe_environment,
)

_START_S = 120.0
_STOP_S = 45.0
_DRAIN_S = 1.0
_TOKEN_MS = 2


@dataclass
class ServiceProcess:
    """A process of the service; `start_count` is the number of its starts."""

    name: str
    module: str
    environment: dict[str, str]
    log: Path
    arguments: tuple[str, ...] = ()
    child: subprocess.Popen[bytes] | None = None
    start_count: int = 0

    def start(self) -> None:
        self.start_count += 1
        with self.log.open("ab") as log:
            # The child has inherited the file.
            self.child = start_module(self.module, self.arguments, self.environment, stderr=log)

    def stop(self) -> None:
        if self.child is not None:
            stop_process(self.child, _STOP_S)

    def kill(self) -> None:
        """Kill the process group with SIGKILL, without cleanup."""
        if self.child is not None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    @property
    def pid(self) -> int | None:
        """Return the process id, or None if it does not run."""
        return self.child.pid if self.child is not None and self.child.poll() is None else None


@dataclass
class Gateway(ServiceProcess):
    """A gateway process, always on the same port."""

    url: str = ""

    def wait(self) -> None:
        """Wait until it is ready. Raises RuntimeError."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self.pid is None:
                raise RuntimeError(f"{self.name} has ended; see {self.log}")
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"{self.name} does not answer; see {self.log}")


@dataclass
class Fleet:
    """All processes; `urls` are those of the gateways that accept calls now."""

    folder: Path
    postgres: EmbeddedPostgres
    environment: dict[str, str]
    gateways: list[Gateway]
    worker: ServiceProcess
    upstreams: list[ServiceProcess]
    firms: tuple[Firm, ...] = ()
    urls: list[str] = field(default_factory=list)

    @property
    def monitored_processes(self) -> list[ServiceProcess]:
        """Return the processes whose memory is monitored."""
        return [*self.gateways, self.worker]

    async def restart_postgres(self, downtime_s: float) -> None:
        """Restart PostgreSQL: connections end, and new ones are refused for `away_s`."""
        server = self.postgres._server  # the wheel's handle: infra has no restart
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(downtime_s)
        await asyncio.to_thread(server.ensure_postgres_running)

    async def kill_upstream(self, downtime_s: float) -> None:
        """Kill a model server and start another one after `away_s`."""
        upstream = self.upstreams[0]
        await asyncio.to_thread(upstream.kill)
        await asyncio.sleep(downtime_s)
        upstream.start()

    async def roll_gateways(self) -> None:
        """Restart the gateways one by one: stop new calls, drain, stop, start."""
        for gateway in self.gateways:
            self.urls.remove(gateway.url)
            await asyncio.sleep(_DRAIN_S)
            await asyncio.to_thread(gateway.stop)
            gateway.start()
            await asyncio.to_thread(gateway.wait)
            self.urls.append(gateway.url)


@contextmanager
def run_fleet(folder: Path, firms: Sequence[str]) -> Iterator[Fleet]:
    """Run all processes until the block ends."""
    with ExitStack() as stack:
        postgres = start_postgres(folder / "data" / "postgres")
        stack.callback(postgres.stop)
        migrate(postgres.url)
        ports = [free_port(), free_port()]
        environment = clean_environment() | {
            "MAAS_DATABASE_URL": postgres.url,
            "MAAS_DATA_DIR": str(folder / "data"),
            "MAAS_SECRET_KEY": secrets.token_hex(32),
            "MAAS_SERVING_URL": ",".join(f"http://127.0.0.1:{port}" for port in ports),
            "MAAS_MODEL_CONCURRENCY": "256",
            **stripe_environment(folder, stack),
        }
        fleet = Fleet(
            folder,
            postgres,
            environment,
            _gateways(folder, environment),
            ServiceProcess("worker", "gateway.worker", environment, folder / "worker.log"),
            [_upstream(folder, port) for port in ports],
        )
        for process in [*fleet.upstreams, *fleet.monitored_processes]:
            stack.callback(process.stop)
            process.start()
        for gateway in fleet.gateways:
            gateway.wait()
            fleet.urls.append(gateway.url)
        fleet.firms = create_firms(fleet.urls[0], environment, firms)
        yield fleet


def _upstream(folder: Path, port: int) -> ServiceProcess:
    arguments = (str(port), "--token-ms", str(_TOKEN_MS))
    log = folder / f"upstream-{port}.log"
    return ServiceProcess(
        f"upstream {port}", "load.constant_upstream", clean_environment(), log, arguments
    )


def _gateways(folder: Path, environment: dict[str, str]) -> list[Gateway]:
    made = []
    for number in (1, 2):
        port = free_port()
        own = {**environment, "MAAS_PORT": str(port)}
        log, url = folder / f"gateway-{number}.log", f"http://127.0.0.1:{port}"
        made.append(Gateway(f"gateway {number}", "gateway", own, log, url=url))
    return made
