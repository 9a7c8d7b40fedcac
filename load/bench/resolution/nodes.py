"""Three nodes and a resolver as processes, with a database each, set up by `maas node`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from infra.database.embedded_postgres import start_postgres

_START_S = 120.0
CACHEABLE = "88.200"
PREFIXES = {"national": "88", "industry": "88.100", "enterprise": "88.100.5001"}


@dataclass
class NodeProcess:
    """A node: its environment, address and, while it runs, its process."""

    name: str
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The node's address."""
        return f"http://127.0.0.1:{self.port}"

    def maas(self, *arguments: str) -> dict[str, str]:
        """Run a `maas node` command on this node's database and return its JSON output."""
        command = [str(Path(sys.executable).with_name("maas")), "node", *arguments, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout.decode() + done.stderr.decode())
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run the node until the block ends."""
        command = [str(Path(sys.executable).with_name("maas")), "node", "run"]
        self.process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_until_open(self.port)
            yield
        finally:
            self.process.terminate()
            self.process.wait(30)


@contextmanager
def run_nodes(folder: Path, records: int) -> Iterator[dict[str, NodeProcess]]:
    """Run national, industry and enterprise node and a resolver, with records at the enterprise.

    Delegations may not be cached, so that every resolution that is not cached asks three nodes.
    """
    postgres = start_postgres(folder / "postgres")
    try:
        nodes = {name: _node(folder, postgres.url, name) for name in (*PREFIXES, "resolver")}
        _set_up(nodes, folder, records)
        with ExitStack() as stack:
            for node in nodes.values():
                stack.enter_context(node.run())
            yield nodes
    finally:
        postgres.stop()


def _node(folder: Path, url: str, name: str) -> NodeProcess:
    """Return a node with an empty database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database node_{name}")  # type: ignore[arg-type]
    base, _, options = url.partition("?")
    database = f"{base.rsplit('/', 1)[0]}/node_{name}" + (f"?{options}" if options else "")
    port = _free_port()
    environment = {
        **os.environ,
        "MAAS_DATABASE_URL": database,
        "MAAS_DATA_DIR": str(folder / name),
        "MAAS_NODE_ROLE": name if name in PREFIXES else "enterprise",
        "MAAS_NODE_PORT": str(port),
        "MAAS_NODE_ROOTS": str(folder / "roots.json"),
        "MAAS_NODE_REQUESTS_PER_MINUTE": "0",
        "MAAS_LOG_LEVEL": "error",
    }
    return NodeProcess(name, environment, port)


def _set_up(nodes: dict[str, NodeProcess], folder: Path, records: int) -> None:
    """Create keys, delegations and records."""
    national, industry, enterprise = (nodes[name] for name in PREFIXES)
    roots = folder / "roots.json"
    roots.write_text("[]")
    roots.write_text(national.maas("root", "88", "--node", national.url)["entry"])
    _delegate(national, industry, PREFIXES["industry"], "88", 0)
    _delegate(industry, enterprise, PREFIXES["enterprise"], PREFIXES["industry"], 0)
    _delegate(national, enterprise, CACHEABLE, "88", 300)
    for prefix in (PREFIXES["enterprise"], CACHEABLE):
        lines = folder / "records.jsonl"
        names = (identifier(number, prefix) for number in range(records))
        fields = {"name": "Pump", "maker": "Example"}
        entries = (json.dumps({"id": name, "fields": fields}) for name in names)
        lines.write_text("\n".join(entries))
        enterprise.maas("register", prefix, str(lines))


def _delegate(
    parent: NodeProcess, child: NodeProcess, prefix: str, parent_prefix: str, ttl_s: int
) -> None:
    """Delegate a prefix to a node, with the time for which others may cache it."""
    key = child.maas("key", prefix)["key"]
    place = (parent_prefix, prefix, "--key", key, "--node", child.url, "--ttl", str(ttl_s))
    chain = Path(child.environment["MAAS_DATA_DIR"]) / "chain"
    chain.write_text(parent.maas("delegate", *place)["chain"])
    child.maas("accept", prefix, str(chain))


def identifier(number: int, prefix: str) -> str:
    """Return the identifier of a record."""
    return f"{prefix}/PUMP-{number}"


def _free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_until_open(port: int) -> None:
    """Wait until something listens on a port. Raises TimeoutError."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")
