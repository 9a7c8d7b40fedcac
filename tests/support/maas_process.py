"""The `maas` command as a process, the way a person runs it, and ports for what it starts."""

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

MAAS = Path(sys.executable).with_name("maas")


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, Any]:
    """Exit code, and the JSON that it said last."""
    process = await asyncio.create_subprocess_exec(
        MAAS, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    lines = out.decode().splitlines()
    return process.returncode, json.loads(lines[-1]) if lines else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
