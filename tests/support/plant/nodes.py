"""Identifier nodes on real sockets, each with tables of its own in one PostgreSQL server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
import uvicorn
from sqlalchemy.engine import make_url

from gateway.plant.identifiers.delegations import Authority
from gateway.plant.identifiers.node.authorities import (
    OwnAuthority,
    accept_chain,
    create_authority,
    delegate,
    get_authority,
)
from gateway.plant.identifiers.node.process import Node, build_node
from gateway.plant.identifiers.node.records import Registrar
from gateway.plant.identifiers.prefixes import Prefix
from gateway.plant.identifiers.registration import LineResult, parse_lines
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.settings import Settings
from tests.support.builders import NO_TLS, SEALER

_TABLES = (
    "node_authority",
    "node_delegation",
    "node_record",
    "node_access_key",
    "node_daily_count",
)


@dataclass
class RunningNode:
    """A node that listens on a socket, and its database."""

    node: Node
    database: Database
    server: uvicorn.Server
    task: asyncio.Task[None]
    url: str
    clock: Clock
    http: httpx.AsyncClient
    own: OwnAuthority | None = None

    async def stop(self) -> None:
        """Stop listening; connections are closed."""
        self.server.should_exit = self.server.force_exit = True
        await self.task

    async def resolve(self, identifier: str, **parameters: str) -> httpx.Response:
        """Resolve an identifier at this node."""
        headers = {}
        if "token" in parameters:
            headers["authorization"] = f"Bearer {parameters.pop('token')}"
        query = {"id": identifier, **parameters}
        return await self.http.get("/v1/resolve", params=query, headers=headers)

    async def register(self, *lines: str) -> Sequence[LineResult]:
        """Register records of this node's prefix."""
        assert self.own is not None
        async with self.database.transaction() as session:
            registrar = Registrar([self.own], self.clock)
            return await registrar.register(session, parse_lines("\n".join(lines).encode()))

    async def delegate_to(self, child: "RunningNode", prefix: str, roots: list[Authority]) -> None:
        """Delegate a prefix to another node, which gets a key for it and the chain."""
        assert self.own is not None
        async with child.database.transaction() as session:
            made = await create_authority(session, self.clock, SEALER, Prefix(prefix))
        async with self.database.transaction() as session:
            to = Authority(Prefix(prefix), made.authority.key, child.url)
            row = await delegate(session, self.clock, self.own, to)
        chain = [*self.own.chain, row.token]
        async with child.database.transaction() as session:
            await accept_chain(session, self.clock, Prefix(prefix), chain, roots)
            child.own = await get_authority(session, SEALER, Prefix(prefix))


@asynccontextmanager
async def run_node(
    postgres: str,
    name: str,
    folder: Path,
    roots: Sequence[Authority] = (),
    clock: Clock | None = None,
    **values: object,
) -> AsyncIterator[RunningNode]:
    """Run a node with empty tables in the schema `name`."""
    url_of_role = _create_tables(postgres, name)
    database = Database(url_of_role, pool_size=4)
    settings = Settings(
        data_dir=folder,
        **{"node_requests_per_minute": 0, **values},  # type: ignore[arg-type]
    )
    clock = clock or SystemClock()
    node = build_node(settings, clock, database, SEALER, roots, url_of_role)
    config = uvicorn.Config(
        cast(Any, node.app), log_config=None, access_log=False, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    task = asyncio.create_task(server.serve([listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False) as http:
        running = RunningNode(node, database, server, task, url, clock, http)
        try:
            yield running
        finally:
            await http.aclose()
            await running.stop()
            await node.close()
            await database.close()


def _create_tables(postgres: str, name: str) -> str:
    """Create empty node tables in a schema and return the URL of a role that uses them."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"drop schema if exists {name} cascade")  # type: ignore[arg-type]
        connection.execute(f"create schema {name}")  # type: ignore[arg-type]
        for table in _TABLES:
            connection.execute(
                f"create table {name}.{table} (like public.{table} including all)"  # type: ignore[arg-type]
            )
        known = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        if known is None:
            connection.execute(f"create role {name} superuser login")  # type: ignore[arg-type]
        connection.execute(
            f"alter role {name} set search_path = {name}, public"  # type: ignore[arg-type]
        )
    role_url = make_url(postgres).set(username=name)
    return role_url.render_as_string(hide_password=False)


async def create_root(node: RunningNode, prefix: str) -> Authority:
    """Create a root prefix on a node and return it as others configure it."""
    async with node.database.transaction() as session:
        node.own = await create_authority(session, node.clock, SEALER, Prefix(prefix))
    return Authority(Prefix(prefix), node.own.authority.key, node.url)
