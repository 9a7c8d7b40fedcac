"""`make load`: a mixed day against the whole service, which is started for it and stopped again.

Exits with locust's code: 1 where an objective was missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import Speed
from load.deployment.service import Wanted, whole_service, with_weights
from load.mixed_day.firm_rotation import KEY_VARIABLE, SITE_VARIABLE

# An engine that reads 20,000 tokens a second and writes a token every 5 ms, 16 answers at a time.
USUAL = Speed(prefill_tokens_s=20_000, token_s=0.005, slots=16)
FIRMS = ("acme", "boltz", "cantor", "dietz")


def main() -> None:
    """Start what is needed, run locust, exit as it does."""
    given = _options()
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    with _aimed_at(given) as (host, environment):
        command = locust_command(given, host, out)
        environment = {**environment, "MAAS_LOAD_REPORT": str(out / "report.md")}
        code = subprocess.run(command, env=environment, check=False).returncode
    sys.stderr.write(f"Reports are in {out}.\n")
    sys.exit(code)


def locust_command(given: argparse.Namespace, host: str, out: Path) -> list[str]:
    """Headless, or with the live view, which is there until Ctrl-C."""
    locust = str(Path(sys.executable).with_name("locust"))
    shown = ["--autostart", "--autoquit", "3600"] if given.ui else ["--headless", "--only-summary"]
    several = ["--processes", str(given.processes)] if given.processes > 1 else []
    return [
        *(locust, "-f", str(Path(__file__).with_name("locustfile.py")), "--host", host),
        *("--users", str(given.users), "--spawn-rate", str(given.spawn_rate)),
        *("--run-time", f"{given.seconds}s", "--stop-timeout", "30"),
        *("--html", str(out / "report.html")),
        *shown,
        *several,
    ]


@contextmanager
def _aimed_at(given: argparse.Namespace) -> Iterator[tuple[str, Mapping[str, str]]]:
    """A service that runs, or one of our own for as long as the block."""
    if given.host:
        key = given.key or os.environ.get(KEY_VARIABLE, "")
        if not key:
            sys.exit("A service that runs is called with a key of it: --key, or MAAS_API_KEY.")
        yield given.host.rstrip("/"), {**os.environ, KEY_VARIABLE: key}
        return
    with tempfile.TemporaryDirectory(prefix="maas-load-") as name:
        folder = Path(name)
        if given.weights_from:
            with_weights(folder / "data", Path(given.weights_from))
        speed = USUAL if given.upstream == "constant" else None
        with whole_service(Wanted(folder, FIRMS, speed, given.gateways)) as site:
            site.write(folder / "site.json")
            yield site.url, {**os.environ, SITE_VARIABLE: str(folder / "site.json")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--upstream", choices=("engine", "constant"), default="engine")
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--spawn-rate", type=float, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--gateways", type=int, default=1, help="gateway processes")
    parser.add_argument("--processes", type=int, default=1, help="locust processes on this machine")
    parser.add_argument("--ui", action="store_true", help="locust's live view, on port 8089")
    parser.add_argument("--host", help="a service that runs, in place of one of our own")
    parser.add_argument("--key", help="a key of it")
    parser.add_argument("--weights-from", help="a weights folder of an earlier run, to save time")
    parser.add_argument("--out", default="build/load", help="where the reports go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
