"""`python -m load.bench.hot_path`: the cost of one plain call without sockets, by stage.

Prints CPU time and calls of Python functions, and with `--callgrind` machine instructions, which do
not depend on what else the machine does. Client and model server are in memory, PostgreSQL is real.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from load.bench.embedded_postgres import migrated_postgres
from load.bench.gateways.processes import python_module
from load.bench.hot_path.callgrind import compile_counter, run_callgrind
from load.bench.hot_path.memory_transport import UPSTREAM_HOST
from load.bench.hot_path.stages import STAGES, own_costs
from load.deployment.service import clean_environment

# callgrind slows the process down about fifty times.
_CALLGRIND_ROUNDS, _CALLGRIND_WARM_UP = 10, 5
_REST = "event loop, tasks, garbage collection"


def main() -> None:
    """Measure in a process of its own, and print a table in Markdown."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="maas-hot-path-") as name, _database(options) as url:
        folder = Path(name)
        environment = _environment(folder, url)
        if options.callgrind:
            sys.stdout.write(_instructions(folder, environment, options.connections))
        else:
            sys.stdout.write(_cpu_time(environment, options.connections, options.rounds))


def _environment(folder: Path, database_url: str) -> dict[str, str]:
    """Return the settings of the gateway that is measured."""
    return clean_environment() | {
        "MAAS_DATABASE_URL": database_url,
        "MAAS_DATA_DIR": str(folder / "data"),
        "MAAS_SERVING_URL": f"http://{UPSTREAM_HOST}",
        "MAAS_MODEL_CONCURRENCY": "2048",
    }


def _program(connections: int, rounds: int, *arguments: object) -> list[str]:
    """Return the command of the process that measures."""
    numbers = ("--connections", connections, "--rounds", rounds)
    return python_module("load.bench.hot_path.measure", *numbers, *arguments)


def _cpu_time(environment: Mapping[str, str], connections: int, rounds: int) -> str:
    """Return the table of CPU times and function calls."""
    command = _program(connections, rounds)
    output = subprocess.run(
        command, check=True, env=dict(environment), stdout=subprocess.PIPE, text=True
    ).stdout
    result = json.loads(output.splitlines()[-1])
    title = "| stage | CPU µs per call, with the cost of measuring | function calls per call |"
    rows = [
        f"| {name} | {us:.1f} | {calls:.1f} |"
        for name, us, calls in zip(_names(), result["stage_us"], result["stage_calls"], strict=True)
    ]
    calls = sum(result["stage_calls"])
    total = f"| whole call, without measuring stages | {result['cpu_us']:.1f} | {calls:.1f} |"
    return "\n".join([title, "|---|---|---|", *rows, total]) + "\n"


def _instructions(folder: Path, environment: Mapping[str, str], connections: int) -> str:
    """Return the table of machine instructions."""
    arguments = ("--counter", compile_counter(folder), "--warm-up", _CALLGRIND_WARM_UP)
    program = _program(connections, _CALLGRIND_ROUNDS, *arguments)
    total, inclusive = run_callgrind(program, environment, folder)
    own, calls = own_costs(inclusive), _CALLGRIND_ROUNDS * connections
    rest = total - sum(own)
    rows = [
        f"| {name} | {cost / calls / 1000:.1f} |"
        for name, cost in zip(_names(), [*own, rest], strict=True)
    ]
    title = "| stage | thousand instructions per call |"
    return "\n".join([title, "|---|---|", *rows, f"| whole call | {total / calls / 1000:.1f} |\n"])


def _names() -> Sequence[str]:
    return [*(stage.name for stage in STAGES), _REST]


@contextmanager
def _database(options: argparse.Namespace) -> Iterator[str]:
    if options.database is not None:
        yield options.database
        return
    with migrated_postgres() as url:
        yield url


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.hot_path", description=__doc__)
    parser.add_argument("--connections", type=int, default=4, help="calls at once; one commit")
    parser.add_argument("--rounds", type=int, default=500, help="of one call per connection")
    parser.add_argument("--callgrind", action="store_true", help="count machine instructions")
    parser.add_argument("--database", help="URL of a migrated database; by default a new one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
