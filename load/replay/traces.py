"""Read traces: Azure's LLM inference trace (2023), BurstGPT, both also gzipped, and ServeGen
folders."""

import csv
import gzip
import io
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from load.replay.arrivals import Arrival, TraceMissing, shift_to_zero
from load.replay.servegen import sample_servegen

SHARED = Path(__file__).parents[3] / "shared" / "data" / "traces"
AZURE = SHARED / "azure2023" / "AzureLLMInferenceTrace_conv.csv.gz"


def trace_or_exit(path: str, seed: int) -> list[Arrival]:
    """Return the arrivals of a trace, or exit with a message if it is missing."""
    try:
        return read_trace(Path(path).expanduser(), seed)
    except TraceMissing as missing:
        sys.exit(f"{missing} Name one by --trace; docs/load.md says where they come from.")


def read_trace(path: Path, seed: int = 0) -> list[Arrival]:
    """Return the arrivals of a trace in order, from 0 on. Raises TraceMissing."""
    if path.is_dir():
        return shift_to_zero(sample_servegen(path, random.Random(seed)))
    if not path.is_file():
        raise TraceMissing(f"There is no trace at {path}.")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return shift_to_zero(parse_csv(io.StringIO(content.decode("utf-8-sig"))))


def parse_csv(lines: Iterable[str]) -> Iterator[Arrival]:
    """Yield the arrivals of Azure's or BurstGPT's CSV without calls that have no answer. Raises
    TraceMissing."""
    rows = csv.DictReader(lines)
    names = set(rows.fieldnames or ())
    if {"TIMESTAMP", "ContextTokens", "GeneratedTokens"} <= names:
        parse_row = _azure
    elif {"Timestamp", "Request tokens", "Response tokens"} <= names:
        parse_row = _burstgpt
    else:
        raise TraceMissing("This is neither Azure's LLM trace nor BurstGPT's CSV.")
    for row in rows:
        arrival = parse_row(row)
        if arrival.input_tokens > 0 and arrival.output_tokens > 0:
            yield arrival


def _azure(row: Mapping[str, str]) -> Arrival:
    # Python reads six of the seven fractional digits.
    at = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC).timestamp()
    return Arrival(at, int(row["ContextTokens"]), int(row["GeneratedTokens"]))


def _burstgpt(row: Mapping[str, str]) -> Arrival:
    tokens = (int(float(row[name] or 0)) for name in ("Request tokens", "Response tokens"))
    return Arrival(float(row["Timestamp"]), *tokens)
