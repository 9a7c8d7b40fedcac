"""`maas up`: the whole service on this machine, from nothing to a first answer.

Owns the order of starting and stopping, telling a person what happens, and the first account with
its key and its owner.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import Terms, open_account
from billing.accounts.accounts import PREFIX, list_accounts
from billing.tables import Account
from gateway.access.api_keys import create_key
from gateway.cli.output import Terminal
from gateway.identity.invitations import Inviting
from gateway.identity.links import reachable
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import Running, database_url, only_one
from infra.processes import start_module, stop
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from models.catalog import Task, load_catalog

FIRST_ACCOUNT = "demo"
_SERVING_PATIENCE_S = 20.0


class StartFailed(AppError):
    """A part did not come up, or fell while running."""

    code = "start_failed"


class PortTaken(AppError):
    """Another program listens where we were told to."""

    code = "port_taken"


@dataclass(slots=True)
class _Serving:
    """What the serving process has said so far."""

    ready: threading.Event = field(default_factory=threading.Event)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """A key of the first account and a link to sign in by, each where it was just made; and the
    account to make another key for."""

    key: str | None
    account: str
    sign_in: str | None


def up(settings: Settings, terminal: Terminal) -> None:
    """Run until SIGINT or SIGTERM. Raises the fact that prevents it."""
    url = f"http://{reachable(settings.host)}:{settings.port}"
    model = load_catalog(settings.profile).with_task(Task.TEXT_GENERATION)[0]
    stopping = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_signals(stopping))
        stack.enter_context(only_one(settings.data_dir, Running(os.getpid(), url)))
        _require_free(settings.host, settings.port)
        terminal.stage("database", "Starting the database")
        records = stack.enter_context(database_url(settings))
        first = asyncio.run(first_steps(settings, records))
        logs = _logs(settings, terminal, stack)
        children = [
            _start_gateway(settings, records, logs, stack),
            _start_worker(settings, records, logs, stack),
        ]
        serving = _Serving()
        if settings.serving_url is None:
            _require_free(settings.serving_host, settings.serving_port)
            children.append(_start_serving(settings, serving, terminal, logs, stack))
        else:
            serving.ready.set()
        if _wait_until_ready(url, serving, children, stopping):
            terminal.ready(url, first.key, model.id, first.account, first.sign_in)
        _watch(children, serving, stopping)
        terminal.stage("stopping", "Stopping")
    terminal.stage("stopped", "Stopped")


def first_terms(settings: Settings) -> Terms:
    """What a new account may do, unless the operator says otherwise."""
    return Terms(
        credit_nano=int(settings.credit_limit.scaleb(9)),
        requests=settings.requests_per_minute,
        tokens=settings.tokens_per_minute,
        streams=settings.concurrent_streams,
    )


def serving_base(settings: Settings) -> str:
    """Where the models answer."""
    return (
        settings.serving_url or f"http://{reachable(settings.serving_host)}:{settings.serving_port}"
    )


def _logs(settings: Settings, terminal: Terminal, stack: ExitStack) -> IO[bytes] | None:
    """Where the parts log to: a file while a person watches, else our own standard error."""
    if not terminal.for_a_person:
        return None
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return stack.enter_context((folder / "maas.log").open("wb"))


def _start_gateway(
    settings: Settings, records: str, logs: IO[bytes] | None, stack: ExitStack
) -> subprocess.Popen[bytes]:
    metrics = Path(tempfile.mkdtemp(prefix="maas-metrics-"))
    stack.callback(shutil.rmtree, metrics, ignore_errors=True)
    child = start_module(
        "gateway",
        environment={
            "MAAS_DATABASE_URL": records,
            "MAAS_SERVING_URL": serving_base(settings),
            "MAAS_SECRET_KEY": secret_key(settings).decode(),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        },
        stderr=logs,
    )
    stack.callback(stop, child, settings.shutdown_timeout_s + 5.0)
    return child


def _start_worker(
    settings: Settings, records: str, logs: IO[bytes] | None, stack: ExitStack
) -> subprocess.Popen[bytes]:
    child = start_module(
        "gateway.worker",
        environment={"MAAS_DATABASE_URL": records, "MAAS_SERVING_URL": serving_base(settings)},
        stderr=logs,
    )
    stack.callback(stop, child, settings.shutdown_timeout_s + 5.0)
    return child


def _start_serving(
    settings: Settings,
    serving: _Serving,
    terminal: Terminal,
    logs: IO[bytes] | None,
    stack: ExitStack,
) -> subprocess.Popen[bytes]:
    child = start_module(
        "serving",
        [
            *("--data-dir", str(settings.data_dir)),
            *("--profile", settings.profile),
            *("--host", settings.serving_host),
            *("--port", str(settings.serving_port)),
            *_scaling(settings),
            "--exit-with-parent",
        ],
        stdout=subprocess.PIPE,
        stderr=logs,
    )
    stack.callback(stop, child, _SERVING_PATIENCE_S)
    threading.Thread(target=_listen, args=(child, serving, terminal), daemon=True).start()
    return child


def _scaling(settings: Settings) -> list[str]:
    """Each setting has an option of its name."""
    names = ("min_replicas", "max_replicas", "target_requests", "idle_s")
    given = {
        f"{kind}_{name}": getattr(settings, f"{kind}_{name}")
        for kind in ("specialist", "engine")
        for name in names
    }
    return [f"--{name.replace('_', '-')}={one}" for name, one in given.items() if one is not None]


def _listen(child: subprocess.Popen[bytes], serving: _Serving, terminal: Terminal) -> None:
    """Pass on what the serving process says of its progress, a JSON object a line."""
    for line in child.stdout or ():
        try:
            said = json.loads(line)
            stage, message, fraction = said["stage"], said["message"], said.get("fraction")
        except (ValueError, KeyError, TypeError):
            continue
        if stage == "failed":
            serving.failure = message
        elif stage == "ready":
            serving.ready.set()
        else:
            terminal.stage(stage, message, fraction)


def _wait_until_ready(
    url: str,
    serving: _Serving,
    children: list[subprocess.Popen[bytes]],
    stopping: threading.Event,
) -> bool:
    """True when a call would be answered; False when told to stop before."""
    while not stopping.is_set():
        _require_alive(children, serving)
        if serving.ready.is_set() and _answers(f"{url}/health/ready"):
            return True
        stopping.wait(0.2)
    return False


def _watch(
    children: list[subprocess.Popen[bytes]], serving: _Serving, stopping: threading.Event
) -> None:
    while not stopping.wait(0.5):
        _require_alive(children, serving)


def _require_alive(children: list[subprocess.Popen[bytes]], serving: _Serving) -> None:
    for name, child in zip(("gateway", "worker", "serving"), children, strict=False):
        if child.poll() is not None:
            # What it said last comes through a pipe that another thread reads.
            time.sleep(0.2)
            why = serving.failure if name == "serving" and serving.failure else "its log says why"
            raise StartFailed(f"The {name} process ended with code {child.returncode}: {why}.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def first_steps(settings: Settings, records: str) -> FirstSteps:
    """What a first account and a first person need. Each is shown once."""
    database = Database(records, pool_size=1)
    try:
        async with database.transaction() as session:
            key = await _first_key(session, settings)
            account = _suggested(await list_accounts(session))
            return FirstSteps(key, account, await _first_sign_in(session, settings))
    finally:
        await database.close()


async def _first_key(session: AsyncSession, settings: Settings) -> str | None:
    """A key for a first account, where there is no account yet."""
    if await list_accounts(session):
        return None
    clock, terms = SystemClock(), first_terms(settings)
    account = await open_account(session, clock, FIRST_ACCOUNT, settings.currency, terms)
    pepper = secret_key(settings)
    return (await create_key(session, clock, pepper, account.id, "first key")).secret


def _suggested(accounts: Sequence[Account]) -> str:
    """The first account by the name that it was given, or by its id where two have its name."""
    first = next((one for one in accounts if one.name == FIRST_ACCOUNT), accounts[0])
    unique = sum(one.name == first.name for one in accounts) == 1
    return first.name if unique else ids.show(PREFIX, first.id)


async def _first_sign_in(session: AsyncSession, settings: Settings) -> str | None:
    """A link for the first operator, where there is nobody yet; the first account is theirs too."""
    accounts = await list_accounts(session)
    owned = next((one.id for one in accounts if one.name == FIRST_ACCOUNT), None)
    return await Inviting.of(settings, SystemClock()).first(session, owned)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Another program listens on {host}:{port}. Set MAAS_PORT or MAAS_SERVING_PORT."
            ) from error


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM ask to stop; a second one does not interrupt the stopping."""
    previous = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
