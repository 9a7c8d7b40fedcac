"""schemathesis against a running gateway, with cases from its OpenAPI document.

It calls each operation with valid and invalid requests, with and without a
key, and compares every response with the document.
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
# Rules outside a schema, as that a name belongs to the account, reject schema-valid requests;
# Litestar's responses to OPTIONS, not readable by other origins, do not list all methods.
_UNFIT = "positive_data_acceptance,allow_header_conformance"
_COUNTED = re.compile(r"(\d[\d,]*) generated")


@dataclass(frozen=True)
class Found:
    """The result of a run: number of cases, and schemathesis' report of failures."""

    cases: int
    well: bool
    said: str


async def run(service: Service, folder: Path, *, examples: int, phases: str, most_s: int) -> Found:
    """Call every operation, up to a number of cases and a duration."""
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
