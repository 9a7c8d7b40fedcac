"""`maas connector`: read OPC UA servers and MQTT brokers, forward their readings to a gateway."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.results import Table
from gateway.cli.runner import command
from gateway.plant.connector.checking import check_connector
from gateway.plant.connector.config import ConnectorConfig, load_config
from gateway.plant.connector.runner import run_connector
from infra.clock import Clock
from infra.telemetry.log import configure_logging

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@command
def connector(
    clock: Clock,
    config: Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Connect to the gateway and each source once, and end.")
    ] = False,
) -> Table | None:
    """Read OPC UA servers and MQTT brokers, filter, and forward readings until SIGINT or SIGTERM.

    Readings wait in a directory while the gateway cannot be reached.
    """
    loaded = load_config(config)
    if check:
        checks = asyncio.run(check_connector(loaded, os.environ))
        rows = [{**asdict(one), "status": "failed" if one.problem else "ok"} for one in checks]
        columns = ("kind", "address", "status", "problem")
        return Table(rows, columns, exit_code=int(any(one.problem for one in checks)))
    configure_logging("info")
    asyncio.run(_run_until_stopped(loaded, clock))
    return None


async def _run_until_stopped(config: ConnectorConfig, clock: Clock) -> None:
    """Run the connector until a signal. Raises ConnectorConfigInvalid."""
    running = asyncio.create_task(run_connector(config, os.environ, clock))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
