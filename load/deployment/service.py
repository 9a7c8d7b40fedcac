"""Run the whole service in a temporary data directory: `maas up`, a model server and Stripe's
stand-in."""

import json
import os
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from load.bench.gateways.processes import python_module, run_process, wait_for_port
from load.constant_upstream.engine import UpstreamSpeed
from load.deployment.create_firms import PRIORITY
from load.deployment.firms import PASSWORD, Deployment, Firm

WEBHOOK_SECRET = "whsec_of_a_service_under_load"
# Stripe's stand-in is part of the tests.
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class DeploymentSettings:
    """Settings of a deployment.

    Without a `speed` the real engine serves the models. `gateways` is the number of processes on
    one port, `slots` the concurrent calls per model and gateway. With `priority` the firms' plan
    has that service tier.
    """

    folder: Path
    firms: tuple[str, ...]
    speed: UpstreamSpeed | None = None
    gateways: int = 1
    slots: int | None = None
    priority: bool = False


@contextmanager
def run_deployment(settings: DeploymentSettings) -> Iterator[Deployment]:
    """Run the service with its firms until the block ends."""
    port = free_port()
    with ExitStack() as stack:
        environment = clean_environment() | {
            "MAAS_DATA_DIR": str(settings.folder / "data"),
            "MAAS_PORT": str(port),
            "MAAS_WORKERS": str(settings.gateways),
            **_concurrency_setting(settings.slots),
            **stripe_environment(settings.folder, stack),
        }
        if settings.speed is not None:
            upstream, _ = start_constant_upstream(settings.folder, settings.speed, stack)
            environment["MAAS_SERVING_URL"] = upstream
        url = f"http://127.0.0.1:{port}"
        up = stack.enter_context(_maas_up(settings.folder, environment))
        firms = create_firms(url, environment, settings.firms, priority=settings.priority)
        constant, processes = settings.speed is not None, _child_pids(up.pid)
        yield Deployment((url,), firms, WEBHOOK_SECRET, constant, processes)


def link_weights(data_dir: Path, weights: Path) -> None:
    """Link converted weights of an earlier run, because converting them takes most of a minute."""
    data_dir.mkdir(exist_ok=True)
    (data_dir / "weights").symlink_to(weights.expanduser().resolve())


def start_constant_upstream(
    folder: Path, speed: UpstreamSpeed, stack: ExitStack, port: int | None = None
) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a constant upstream and return its URL and process."""
    port = free_port() if port is None else port
    arguments = (port, "--prefill", speed.prefill_tokens_s, "--token-ms", 1000 * speed.token_s)
    command = python_module("load.constant_upstream", *arguments, "--slots", speed.slots)
    child = stack.enter_context(run_process(command, folder / f"upstream-{port}.log"))
    wait_for_port(port, child)
    return f"http://127.0.0.1:{port}", child


def stripe_environment(folder: Path, stack: ExitStack) -> dict[str, str]:
    """Start Stripe's stand-in and return the settings for it.

    Without the tests' files there is no stand-in, and only webhooks are accepted.
    """
    settings = {"MAAS_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    if not (_ROOT / "tests" / "support" / "fakes" / "stripe").is_dir():
        return settings
    command = python_module("tests.support.fakes.stripe")
    child = stack.enter_context(run_process(command, folder / "stripe.log", stdout=subprocess.PIPE))
    line = child.stdout.readline() if child.stdout else b""
    if not line:
        raise RuntimeError("Stripe's stand-in did not start")
    data = json.loads(line)
    return settings | {
        "MAAS_STRIPE_SECRET_KEY": data["key"],
        "MAAS_STRIPE_API_BASE": data["url"],
    }


def create_firms(
    url: str, environment: Mapping[str, str], names: Sequence[str], *, priority: bool = False
) -> tuple[Firm, ...]:
    """Create firms with these names, whose owners have passwords."""
    command = python_module(
        "load.deployment.create_firms", *([PRIORITY] if priority else []), *names
    )
    done = subprocess.run(command, env=dict(environment), stdout=subprocess.PIPE, check=True)
    data = json.loads(done.stdout.splitlines()[-1])
    for one in data:
        _accept_invitation(url, one)
    return tuple(_parse_firm(one) for one in data)


def clean_environment() -> dict[str, str]:
    """Return the environment without MAAS_ variables, which would configure another service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAAS_")}


def free_port() -> int:
    """Return a TCP port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _maas_up(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).with_name("maas")), "up", "--json"]
    log = folder / "maas.log"
    with run_process(command, log, environment, stdout=subprocess.PIPE) as child:
        for line in child.stdout or ():
            data = json.loads(line)
            sys.stderr.write(f"{data.get('stage', '')}: {data.get('message', '')}\n")
            if data.get("stage") == "ready":
                yield child
                return
        child.wait()
        raise RuntimeError(f"maas did not start; {log} says why")


def _accept_invitation(url: str, data: Mapping[str, Any]) -> None:
    """Accept the owner's invitation with a password, as a browser does."""
    path = urllib.parse.urlsplit(data["link"]).path
    form = {"name": data["name"], "email": data["email"], "password": PASSWORD}
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url + path, body, {"origin": url})
    with urllib.request.urlopen(request, timeout=60) as answer:
        if "/dashboard/invitation" in answer.url:
            raise RuntimeError(f"the invitation of {data['email']} was not accepted")


def _parse_firm(data: Mapping[str, Any]) -> Firm:
    names = ("name", "account", "key_id", "key")
    return Firm(**{name: data[name] for name in names}, emails=(data["email"],))


def _concurrency_setting(slots: int | None) -> dict[str, str]:
    return {} if slots is None else {"MAAS_MODEL_CONCURRENCY": str(slots)}


def _child_pids(up: int) -> dict[str, int]:
    """Return the process ids of the gateway and the worker, which `maas up` supervises."""
    found = {}
    for child in psutil.Process(up).children():
        words = child.cmdline()
        for name, module in (("gateway", "gateway"), ("worker", "gateway.worker")):
            if words[1:3] == ["-m", module]:
                found[name] = child.pid
    return found
