"""`maas up`: starts and supervises database, gateway, worker and model serving on one machine.

On the first start it also creates an account with a key, and a sign-in link for its owner.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import open_account
from billing.accounts.accounts import ACCOUNT_ID_PREFIX, list_accounts
from billing.tables import Account
from gateway.access.api_keys import create_key
from gateway.cli.output import Output
from gateway.identity.invitations import InvitationService
from gateway.identity.links import connectable_host
from gateway.operations.customer_accounts import default_account_limits
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.installation import RunningInstance, lock_data_directory, migrated_database_url
from infra.processes import start_module, stop_process
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from models.catalog import Task, load_configured_catalog

FIRST_ACCOUNT = "demo"
_SERVING_STOP_TIMEOUT_S = 20.0


class StartFailed(AppError):
    """A process failed to start, or ended while running."""

    code = "start_failed"


class PortTaken(AppError):
    """A configured port is in use by another program."""

    code = "port_taken"


@dataclass(slots=True)
class _ServingState:
    """The progress reported by the serving process."""

    ready: threading.Event = field(default_factory=threading.Event)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class FirstAccess:
    """The first account's key and sign-in link, None unless just created, and an account to create
    another key for."""

    key: str | None
    account: str
    sign_in: str | None


def run_service(settings: Settings, output: Output, model_id: str | None = None) -> None:
    """Run all processes until SIGINT or SIGTERM. Raises AppErrors that prevent the start.

    `model_id` is the model of the first call that is suggested; None is the first language model.
    """
    url = f"http://{connectable_host(settings.host)}:{settings.port}"
    suggested = model_id or load_configured_catalog(settings).with_task(Task.TEXT_GENERATION)[0].id
    stopping = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_stop_on_signals(stopping))
        stack.enter_context(
            lock_data_directory(settings.data_dir, RunningInstance(os.getpid(), url))
        )
        _require_free_port(settings.host, settings.port, "MAAS_PORT")
        output.report_stage("database", "Starting the database")
        postgres_url = stack.enter_context(migrated_database_url(settings))
        first_access = asyncio.run(create_first_access(settings, postgres_url))
        logs = _open_log_file(settings, output, stack)
        children = [
            _start_gateway(settings, postgres_url, logs, stack),
            _start_worker(settings, postgres_url, logs, stack),
        ]
        if settings.catalog and not sys.stdin.isatty():
            stack.enter_context(_forward_reloads(children))
        serving = _ServingState()
        if settings.serving_url is None:
            _require_free_port(settings.serving_host, settings.serving_port, "MAAS_SERVING_PORT")
            children.append(_start_serving(settings, serving, output, logs, stack))
        else:
            serving.ready.set()
        if _wait_until_ready(url, serving, children, stopping):
            output.report_ready(
                url, first_access.key, suggested, first_access.account, first_access.sign_in
            )
        _monitor(children, serving, stopping)
        output.report_stage("stopping", "Stopping")
    output.report_stage("stopped", "Stopped")


def serving_base_url(settings: Settings) -> str:
    """Return the base URL of the model servers."""
    return (
        settings.serving_url
        or f"http://{connectable_host(settings.serving_host)}:{settings.serving_port}"
    )


def _open_log_file(settings: Settings, output: Output, stack: ExitStack) -> IO[bytes] | None:
    """Return the child processes' log file in interactive use, else None for stderr."""
    if not output.is_interactive:
        return None
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return stack.enter_context((folder / "maas.log").open("wb"))


def _start_gateway(
    settings: Settings, postgres_url: str, logs: IO[bytes] | None, stack: ExitStack
) -> subprocess.Popen[bytes]:
    """Start the gateway process."""
    metrics = Path(tempfile.mkdtemp(prefix="maas-metrics-"))
    stack.callback(shutil.rmtree, metrics, ignore_errors=True)
    child = start_module(
        "gateway",
        environment={
            "MAAS_DATABASE_URL": postgres_url,
            "MAAS_SERVING_URL": serving_base_url(settings),
            "MAAS_SECRET_KEY": secret_key(settings).decode(),
            **_catalog_environment(settings),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        },
        stderr=logs,
    )
    stack.callback(stop_process, child, settings.shutdown_timeout_s + 5.0)
    return child


def _start_worker(
    settings: Settings, postgres_url: str, logs: IO[bytes] | None, stack: ExitStack
) -> subprocess.Popen[bytes]:
    """Start the background worker process."""
    child = start_module(
        "gateway.worker",
        environment={
            "MAAS_DATABASE_URL": postgres_url,
            "MAAS_SERVING_URL": serving_base_url(settings),
            **_catalog_environment(settings),
        },
        stderr=logs,
    )
    stack.callback(stop_process, child, settings.shutdown_timeout_s + 5.0)
    return child


def _catalog_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variable that names the catalog files."""
    return {"MAAS_CATALOG": ",".join(map(str, settings.catalog))}


@contextmanager
def _forward_reloads(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Forward SIGHUP, which applies changed catalog files, to gateway and worker.

    Not for use in a terminal, where the signal says that the terminal was closed.
    """

    def forward(_number: int, _frame: FrameType | None) -> None:
        """Send SIGHUP to the running children."""
        for child in children[:2]:
            if child.poll() is None:
                child.send_signal(signal.SIGHUP)

    previous = signal.signal(signal.SIGHUP, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, previous)


def _start_serving(
    settings: Settings,
    serving: _ServingState,
    output: Output,
    logs: IO[bytes] | None,
    stack: ExitStack,
) -> subprocess.Popen[bytes]:
    """Start the model serving process, and read its progress in a thread."""
    child = start_module(
        "serving",
        [
            *("--data-dir", str(settings.data_dir)),
            *("--profile", settings.profile),
            *("--host", settings.serving_host),
            *("--port", str(settings.serving_port)),
            *_scaling_arguments(settings),
            "--exit-with-parent",
        ],
        environment=_catalog_environment(settings),
        stdout=subprocess.PIPE,
        stderr=logs,
    )
    stack.callback(stop_process, child, _SERVING_STOP_TIMEOUT_S)
    threading.Thread(
        target=_read_serving_progress, args=(child, serving, output), daemon=True
    ).start()
    return child


def _scaling_arguments(settings: Settings) -> list[str]:
    """Return the command-line options for the scaling settings that are set."""
    names = ("min_replicas", "max_replicas", "target_requests", "idle_s")
    options = {
        f"{kind}_{name}": getattr(settings, f"{kind}_{name}")
        for kind in ("specialist", "engine")
        for name in names
    }
    options["training_gpus"] = settings.training_gpus
    return [
        f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
        if value is not None
    ]


def _read_serving_progress(
    child: subprocess.Popen[bytes], serving: _ServingState, output: Output
) -> None:
    """Forward the serving process's progress events, one JSON object per line."""
    for line in child.stdout or ():
        try:
            event = json.loads(line)
            stage, message, fraction = event["stage"], event["message"], event.get("fraction")
        except (ValueError, KeyError, TypeError):
            continue
        if stage == "failed":
            serving.failure = message
        elif stage == "ready":
            serving.ready.set()
        else:
            output.report_stage(stage, message, fraction)


def _wait_until_ready(
    url: str,
    serving: _ServingState,
    children: list[subprocess.Popen[bytes]],
    stopping: threading.Event,
) -> bool:
    """Wait until the gateway is ready. Returns False if stopped before."""
    while not stopping.is_set():
        _require_alive(children, serving)
        if serving.ready.is_set() and _is_ready(f"{url}/health/ready"):
            return True
        stopping.wait(0.2)
    return False


def _monitor(
    children: list[subprocess.Popen[bytes]], serving: _ServingState, stopping: threading.Event
) -> None:
    """Wait until stopped. Raises StartFailed if a process ends."""
    while not stopping.wait(0.5):
        _require_alive(children, serving)


def _require_alive(children: list[subprocess.Popen[bytes]], serving: _ServingState) -> None:
    """Raise StartFailed if a child process has ended."""
    for name, child in zip(("gateway", "worker", "serving"), children, strict=False):
        if child.poll() is not None:
            # Another thread reads the process's last event from a pipe.
            time.sleep(0.2)
            reason = serving.failure if name == "serving" else None
            raise StartFailed(
                f"The {name} process ended with exit code {child.returncode}: {reason}"
                if reason
                else f"The {name} process ended with exit code {child.returncode}. See its log."
            )


def _is_ready(url: str) -> bool:
    """Return whether the URL responds with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def create_first_access(settings: Settings, postgres_url: str) -> FirstAccess:
    """Create the first account's key and the first operator's sign-in link, if missing."""
    database = Database(postgres_url, pool_size=1)
    try:
        async with database.transaction() as session:
            key = await _create_first_key(session, settings)
            account = _account_argument(await list_accounts(session))
            return FirstAccess(key, account, await _create_first_sign_in_link(session, settings))
    finally:
        await database.close()


async def _create_first_key(session: AsyncSession, settings: Settings) -> str | None:
    """Create a first account with a key if there is no account yet; returns its secret."""
    if await list_accounts(session):
        return None
    clock, terms = SystemClock(), default_account_limits(settings)
    account = await open_account(session, clock, FIRST_ACCOUNT, settings.currency, terms)
    pepper = secret_key(settings)
    return (await create_key(session, clock, pepper, account.id, "first key")).secret


def _account_argument(accounts: Sequence[Account]) -> str:
    """Return how commands name the first account: by its name, or its id if that is not unique."""
    first = next((account for account in accounts if account.name == FIRST_ACCOUNT), accounts[0])
    unique = sum(account.name == first.name for account in accounts) == 1
    return first.name if unique else ids.format_id(ACCOUNT_ID_PREFIX, first.id)


async def _create_first_sign_in_link(session: AsyncSession, settings: Settings) -> str | None:
    """Create a sign-in link for the first operator and account owner; None if people exist."""
    accounts = await list_accounts(session)
    first_account_id = next(
        (account.id for account in accounts if account.name == FIRST_ACCOUNT), None
    )
    return await InvitationService.from_settings(
        settings, SystemClock()
    ).create_first_operator_link(session, first_account_id)


def _require_free_port(host: str, port: int, variable: str) -> None:
    """Raise PortTaken if the port is in use; `variable` is the setting of the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} on {host} is in use. Stop the program that uses it, or set "
                f"{variable} to another port."
            ) from error


@contextmanager
def _stop_on_signals(stopping: threading.Event) -> Iterator[None]:
    """Set the event on SIGINT and SIGTERM; further signals do not interrupt the shutdown."""
    previous = {
        number: signal.signal(number, lambda *_: stopping.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
