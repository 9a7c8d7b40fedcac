"""The whole service for the time of a load, in a temporary data directory: `maas up`, a model
server behind it and Stripe's stand-in beside it.

Owns which processes a load runs on, in which order they start and stop, and the firms' first steps.
"""

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

from load.bench.gateways.processes import python_module, running, wait_for_port
from load.constant_upstream.engine import Speed
from load.deployment.create_firms import PRIORITY
from load.deployment.firms import PASSWORD, Firm, Site

WEBHOOK_SECRET = "whsec_of_a_service_under_load"
# The stand-in for Stripe is the tests'.
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to start. Without a `speed` it is the real engine; `gateways` are processes on one
    port, `slots` the calls of one model that each sends at once. With `priority` the firms' plan
    sells that service tier."""

    folder: Path
    firms: tuple[str, ...]
    speed: Speed | None = None
    gateways: int = 1
    slots: int | None = None
    priority: bool = False


@contextmanager
def whole_service(wanted: Wanted) -> Iterator[Site]:
    """Everything, until the block ends."""
    port = free_port()
    with ExitStack() as stack:
        environment = clean_environment() | {
            "MAAS_DATA_DIR": str(wanted.folder / "data"),
            "MAAS_PORT": str(port),
            "MAAS_WORKERS": str(wanted.gateways),
            **_limits(wanted.slots),
            **stripe_environment(wanted.folder, stack),
        }
        if wanted.speed is not None:
            upstream, _ = constant_upstream(wanted.folder, wanted.speed, stack)
            environment["MAAS_SERVING_URL"] = upstream
        url = f"http://127.0.0.1:{port}"
        up = stack.enter_context(_maas_up(wanted.folder, environment))
        firms = settled_firms(url, environment, wanted.firms, priority=wanted.priority)
        constant, processes = wanted.speed is not None, _processes(up.pid)
        yield Site((url,), firms, WEBHOOK_SECRET, constant, processes)


def with_weights(data_dir: Path, weights: Path) -> None:
    """Those of an earlier run: to convert them again takes most of a minute."""
    data_dir.mkdir(exist_ok=True)
    (data_dir / "weights").symlink_to(weights.expanduser().resolve())


def constant_upstream(
    folder: Path, speed: Speed, stack: ExitStack, port: int | None = None
) -> tuple[str, subprocess.Popen[bytes]]:
    """A model server of token counts: its address and process."""
    port = free_port() if port is None else port
    arguments = (port, "--prefill", speed.prefill_tokens_s, "--token-ms", 1000 * speed.token_s)
    command = python_module("load.constant_upstream", *arguments, "--slots", speed.slots)
    child = stack.enter_context(running(command, folder / f"upstream-{port}.log"))
    wait_for_port(port, child)
    return f"http://127.0.0.1:{port}", child


def stripe_environment(folder: Path, stack: ExitStack) -> dict[str, str]:
    """Stripe's stand-in, started, and the settings by which the service finds it; without one,
    where the tests are not there, webhooks alone are taken."""
    settings = {"MAAS_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
    if not (_ROOT / "tests" / "support" / "fakes" / "stripe").is_dir():
        return settings
    command = python_module("tests.support.fakes.stripe")
    child = stack.enter_context(running(command, folder / "stripe.log", stdout=subprocess.PIPE))
    line = child.stdout.readline() if child.stdout else b""
    if not line:
        raise RuntimeError("Stripe's stand-in did not start")
    said = json.loads(line)
    return settings | {
        "MAAS_STRIPE_SECRET_KEY": said["key"],
        "MAAS_STRIPE_API_BASE": said["url"],
    }


def settled_firms(
    url: str, environment: Mapping[str, str], names: Sequence[str], *, priority: bool = False
) -> tuple[Firm, ...]:
    """Firms of these names, whose owners have passwords."""
    command = python_module(
        "load.deployment.create_firms", *([PRIORITY] if priority else []), *names
    )
    done = subprocess.run(command, env=dict(environment), stdout=subprocess.PIPE, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    for one in said:
        _accept(url, one)
    return tuple(_firm(one) for one in said)


def clean_environment() -> dict[str, str]:
    """Without settings of whoever runs this, which would make another service of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAAS_")}


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _maas_up(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(Path(sys.executable).with_name("maas")), "up", "--json"]
    log = folder / "maas.log"
    with running(command, log, environment, stdout=subprocess.PIPE) as child:
        for line in child.stdout or ():
            said = json.loads(line)
            sys.stderr.write(f"{said.get('stage', '')}: {said.get('message', '')}\n")
            if said.get("stage") == "ready":
                yield child
                return
        child.wait()
        raise RuntimeError(f"maas did not start; {log} says why")


def _accept(url: str, said: Mapping[str, Any]) -> None:
    """The owner follows the link in the mail and chooses a password, as a browser would."""
    path = urllib.parse.urlsplit(said["link"]).path
    form = {"name": said["name"], "email": said["email"], "password": PASSWORD}
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url + path, body, {"origin": url})
    with urllib.request.urlopen(request, timeout=60) as answer:
        if "/dashboard/invitation" in answer.url:
            raise RuntimeError(f"the invitation of {said['email']} was not accepted")


def _firm(said: Mapping[str, Any]) -> Firm:
    names = ("name", "account", "key_id", "key")
    return Firm(**{name: said[name] for name in names}, people=(said["email"],))


def _limits(slots: int | None) -> dict[str, str]:
    return {} if slots is None else {"MAAS_MODEL_CONCURRENCY": str(slots)}


def _processes(up: int) -> dict[str, int]:
    """The gateway and the worker, which `maas up` only watches."""
    found = {}
    for child in psutil.Process(up).children():
        words = child.cmdline()
        for name, module in (("gateway", "gateway"), ("worker", "gateway.worker")):
            if words[1:3] == ["-m", module]:
                found[name] = child.pid
    return found
