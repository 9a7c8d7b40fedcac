"""The `maas` command as a process, and free ports for the servers that it starts."""

import asyncio
import json
import random
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# Not what tests have seeded: processes beside each other would all try the same ports.
_CHANCE = random.SystemRandom()
MAAS = Path(sys.executable).with_name("maas")


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, Any]:
    """Run the command; returns exit code and the last JSON line."""
    process = await asyncio.create_subprocess_exec(
        MAAS, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    lines = out.decode().splitlines()
    return process.returncode, json.loads(lines[-1]) if lines else None


def free_port() -> int:
    """A free port below the ephemeral range, so that no connection uses it before the process."""
    while True:
        port = _CHANCE.randrange(10_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
