"""schemathesis against a running gateway: cases made of its own OpenAPI document.

It tries each address with what the document allows and with what it does not, with and without a
key, and compares every answer with the document.
"""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzzing.service import Service

ROOT = Path(__file__).parent.parent.parent
# What a schema cannot say, as that a name is an account's own, is refused although it allows it;
# and Litestar's answers to OPTIONS, which no page of another host may read, name not all methods.
_UNFIT = "positive_data_acceptance,allow_header_conformance"
_COUNTED = re.compile(r"(\d[\d,]*) generated")


@dataclass(frozen=True)
class Found:
    """How a run ended: so many cases, and what schemathesis says of those that failed."""

    cases: int
    well: bool
    said: str


async def run(service: Service, folder: Path, *, examples: int, phases: str, most_s: int) -> Found:
    """Try every address with so many cases at most, for so long at most."""
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{service.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {service.secret}"),
        *("--phases", phases, "--max-examples", str(examples), "--max-time", str(most_s)),
        *("--checks", "all", "--exclude-checks", _UNFIT, "--continue-on-failure"),
        *("--request-timeout", "30", "--seed", "1", "--warnings", "off", "--no-color"),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzzing.hooks",
        "FUZZ_KNOWN": json.dumps(dict(service.known)),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "1",
        "NO_PROXY": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    said = out.decode(errors="replace")
    counted = _COUNTED.search(said)
    cases = int(counted[1].replace(",", "")) if counted else 0
    return Found(cases, process.returncode == 0, said)
