"""`make load`: load test with a mix of calls, against a service that it starts and stops.

Exits with locust's exit code: 1 if an objective is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import UpstreamSpeed
from load.deployment.service import DeploymentSettings, link_weights, run_deployment
from load.mixed_day.firm_rotation import KEY_VARIABLE, SITE_VARIABLE

# Prefills 20,000 tokens per second, decodes a token every 5 ms, 16 answers at a time.
DEFAULT_SPEED = UpstreamSpeed(prefill_tokens_s=20_000, token_s=0.005, slots=16)
FIRMS = ("acme", "boltz", "cantor", "dietz")


def main() -> None:
    """Run the load test and exit with locust's exit code."""
    options = _options()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with _target_service(options) as (host, environment):
        command = locust_command(options, host, out)
        environment = {**environment, "MAAS_LOAD_REPORT": str(out / "report.md")}
        code = subprocess.run(command, env=environment, check=False).returncode
    sys.stderr.write(f"Reports are in {out}.\n")
    sys.exit(code)


def locust_command(options: argparse.Namespace, host: str, out: Path) -> list[str]:
    """Return the locust command: headless, or with the web interface until Ctrl-C."""
    locust = str(Path(sys.executable).with_name("locust"))
    shown = (
        ["--autostart", "--autoquit", "3600"] if options.ui else ["--headless", "--only-summary"]
    )
    several = ["--processes", str(options.processes)] if options.processes > 1 else []
    return [
        *(locust, "-f", str(Path(__file__).with_name("locustfile.py")), "--host", host),
        *("--users", str(options.users), "--spawn-rate", str(options.spawn_rate)),
        *("--run-time", f"{options.seconds}s", "--stop-timeout", "30"),
        *("--html", str(out / "report.html")),
        *shown,
        *several,
    ]


@contextmanager
def _target_service(options: argparse.Namespace) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the address and environment of the service under test: the given one, or one started
    here."""
    if options.host:
        key = options.key or os.environ.get(KEY_VARIABLE, "")
        if not key:
            sys.exit("A running service needs an API key: --key, or MAAS_API_KEY.")
        yield options.host.rstrip("/"), {**os.environ, KEY_VARIABLE: key}
        return
    with tempfile.TemporaryDirectory(prefix="maas-load-") as name:
        folder = Path(name)
        if options.weights_from:
            link_weights(folder / "data", Path(options.weights_from))
        speed = DEFAULT_SPEED if options.upstream == "constant" else None
        with run_deployment(
            DeploymentSettings(folder, FIRMS, speed, options.gateways)
        ) as deployment:
            deployment.write(folder / "site.json")
            yield deployment.url, {**os.environ, SITE_VARIABLE: str(folder / "site.json")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--upstream", choices=("engine", "constant"), default="engine")
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--spawn-rate", type=float, default=8)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--gateways", type=int, default=1, help="gateway processes")
    parser.add_argument("--processes", type=int, default=1, help="locust processes on this machine")
    parser.add_argument("--ui", action="store_true", help="locust's web interface, on port 8089")
    parser.add_argument("--host", help="a running service instead of one started here")
    parser.add_argument("--key", help="an API key of the running service")
    parser.add_argument("--weights-from", help="a weights folder of an earlier run, to save time")
    parser.add_argument("--out", default="build/load", help="folder of the reports")
    return parser.parse_args()


if __name__ == "__main__":
    main()
