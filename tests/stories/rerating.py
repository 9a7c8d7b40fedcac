"""The independent script that computes exported invoices again, as a process."""

import asyncio
import sys
from pathlib import Path

RERATE = Path(__file__).parent.parent / "support" / "rerate.py"


async def rerate(*folders: Path) -> tuple[int, str]:
    """Run the script as a process; returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(RERATE),
        *map(str, folders),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()
