"""Compiled gateways under test: ferrogw in Go and the router smg in Rust, without a database."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from load.bench.gateways.processes import run_process, wait_for_port
from load.bench.gateways.servers import Gateway, Placement

_FERROGW_KEY = "fgw_bench_0123456789abcdef"
# ferrogw routes by the name of the model; this one goes to the provider `openai`.
_OPENAI_MODEL = "gpt-4o"
# smg serves Prometheus metrics on a port of their own.
_METRICS_OFFSET = 100
_UNREACHED = "1000000000"


def ferrogw_gateway(program: Path) -> Callable[[Placement], AbstractContextManager[Gateway]]:
    """Return a starter of ferrogw with one key and a rate limit that is never reached."""

    @contextmanager
    def start(placement: Placement) -> Iterator[Gateway]:
        environment = {
            **os.environ,
            "PORT": str(placement.port),
            "OPENAI_API_KEY": "sk-upstream",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{placement.upstream}/v1",
            "MASTER_KEY": _FERROGW_KEY,
            "RATE_LIMIT_RPS": _UNREACHED,
            "RATE_LIMIT_BURST": _UNREACHED,
            "LOG_LEVEL": "error",
        }
        command = [str(program), "serve"]
        with run_process(command, placement.folder / "ferrogw.log", environment) as child:
            wait_for_port(placement.port, child)
            headers = {"authorization": f"Bearer {_FERROGW_KEY}"}
            yield Gateway("ferrogw", placement.port, headers, _OPENAI_MODEL, child.pid)

    return start


def smg_router(program: Path) -> Callable[[Placement], AbstractContextManager[Gateway]]:
    """Return a starter of smg with one worker; it checks no keys and keeps no history."""

    @contextmanager
    def start(placement: Placement) -> Iterator[Gateway]:
        metrics_port = placement.port + _METRICS_OFFSET
        command = [str(program), "launch", "--host", "127.0.0.1", "--port", str(placement.port)]
        command += ["--worker-urls", f"http://127.0.0.1:{placement.upstream}"]
        command += ["--backend", "openai", "--policy", "round_robin", "--model-path", "bench"]
        command += ["--disable-tokenizer-autoload", "--history-backend", "none"]
        command += ["--log-level", "error"]
        command += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(metrics_port)]
        with run_process(command, placement.folder / "smg.log") as child:
            wait_for_port(placement.port, child)
            yield Gateway("smg", placement.port, {}, "bench", child.pid)

    return start
