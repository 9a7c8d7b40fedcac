"""`maas node run`: run an identifier node."""

import asyncio
from typing import Any, cast

import uvicorn

from gateway.cli.output import Output
from gateway.cli.runner import command
from gateway.plant.identifiers.node.process import build_node, load_roots, running
from infra.clock import Clock
from infra.database.database import Database
from infra.installation import migrated_database_url
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from infra.telemetry.log import configure_logging

_POOL_SIZE = 8
_MAX_CONNECTIONS = 2_000
_KEEP_ALIVE_S = 75  # other nodes keep their connections for 50 seconds


@command
def node_run(settings: Settings, output: Output, clock: Clock) -> None:
    """Run an identifier node until you press Ctrl-C. MAAS_NODE_ROLE is its role."""
    configure_logging(settings.log_level)
    with migrated_database_url(settings) as url:
        address = f"http://{settings.node_host}:{settings.node_port}"
        output.report_stage("ready", f"Identifier node ({settings.node_role}) on {address}")
        asyncio.run(_serve(settings, clock, url))


async def _serve(settings: Settings, clock: Clock, url: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    database = Database(url, pool_size=_POOL_SIZE)
    sealer = Sealer(secret_key(settings))
    node = build_node(settings, clock, database, sealer, load_roots(settings), url)
    config = uvicorn.Config(
        cast(Any, node.app),
        host=settings.node_host,
        port=settings.node_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        limit_concurrency=_MAX_CONNECTIONS,
    )
    await node.warm_up()
    try:
        async with running(node):
            await uvicorn.Server(config).serve()
    finally:
        await database.close()
