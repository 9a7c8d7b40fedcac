"""`maas connector`: read OPC UA servers and forward their readings to a gateway."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import Output
from gateway.plant.connector.config import load_config
from gateway.plant.connector.runner import run_connector
from infra.clock import SystemClock
from infra.errors import AppError
from infra.telemetry.log import configure_logging

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def connector(
    config: Annotated[Path, typer.Option("--config", help="Configuration file (TOML).")],
) -> None:
    """Read OPC UA servers, filter, and forward readings until SIGINT or SIGTERM.

    Readings wait in a directory while the gateway cannot be reached.
    """
    configure_logging("info")
    try:
        asyncio.run(_run_until_stopped(config))
    except AppError as error:
        Output(False).error(error)
        raise typer.Exit(1) from None


async def _run_until_stopped(path: Path) -> None:
    """Run the connector until a signal. Raises ConnectorConfigInvalid."""
    running = asyncio.create_task(run_connector(load_config(path), os.environ, SystemClock()))
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running
