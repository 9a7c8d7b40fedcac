"""`maas connector`: read OPC UA servers and forward their readings to a gateway."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.runner import command
from gateway.plant.connector.config import load_config
from gateway.plant.connector.runner import run_connector
from infra.clock import Clock
from infra.telemetry.log import configure_logging

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@command
def connector(
    clock: Clock,
    config: Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")],
) -> None:
    """Read OPC UA servers, filter, and forward readings until SIGINT or SIGTERM.

    Readings wait in a directory while the gateway cannot be reached.
    """
    configure_logging("info")
    asyncio.run(_run_until_stopped(config, clock))


async def _run_until_stopped(path: Path, clock: Clock) -> None:
    """Run the connector until a signal. Raises ConnectorConfigInvalid."""
    running = asyncio.create_task(run_connector(load_config(path), os.environ, clock))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
