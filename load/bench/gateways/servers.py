"""The gateways under test, each started as its users start it: one worker, quiet logs."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from load.bench.gateways.processes import postmaster_of, python_module, run_process, wait_for_port

_LITELLM_KEY = "sk-bench-0123456789"


# All limits are set, and none is reached.
_LIMITS = {
    "MAAS_CREDIT_LIMIT": "1000000",
    "MAAS_REQUESTS_PER_MINUTE": str(10**9),
    "MAAS_TOKENS_PER_MINUTE": str(10**12),
    "MAAS_CONCURRENT_STREAMS": "100000",
    "MAAS_MODEL_CONCURRENCY": "2048",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """A gateway's folder, its port and that of its upstream."""

    folder: Path
    port: int
    upstream: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway; `process` is the root of its process tree, `database` PostgreSQL's.

    A gateway with a database reports the duration of its commits at /metrics.
    """

    name: str
    port: int
    headers: Mapping[str, str]
    model: str
    process: int
    database: int | None = None


@contextmanager
def bare_relay(placement: Placement) -> Iterator[Gateway]:
    """Run the bare relay."""
    command = python_module("load.bench.gateways.relay", placement.port, placement.upstream)
    with run_process(command, placement.folder / "relay.log") as child:
        wait_for_port(placement.port, child)
        yield Gateway("bare", placement.port, {}, "bench", child.pid)


@contextmanager
def maas_gateway(placement: Placement, workers: int) -> Iterator[Gateway]:
    """Run this gateway with all features: calls are admitted, and metered in PostgreSQL."""
    data_dir = placement.folder / "data"
    environment = {
        # MAAS_ variables of the caller would configure another service.
        **{name: value for name, value in os.environ.items() if not name.startswith("MAAS_")},
        "MAAS_DATA_DIR": str(data_dir),
        "MAAS_PORT": str(placement.port),
        "MAAS_SERVING_URL": f"http://127.0.0.1:{placement.upstream}",
        "MAAS_WORKERS": str(workers),
        **_LIMITS,
    }
    command = [str(Path(sys.executable).with_name("maas")), "up", "--json"]
    log = placement.folder / "maas.log"
    with run_process(command, log, environment, stdout=subprocess.PIPE) as child:
        headers = {"authorization": f"Bearer {_first_key(child)}"}
        yield Gateway(
            name="maas" if workers == 1 else f"maas, {workers} workers",
            port=placement.port,
            headers=headers,
            model=_text_model(placement.port, headers),
            process=_gateway_process(child.pid),
            database=postmaster_of(data_dir / "postgres"),
        )


def litellm_proxy(program: Path) -> Callable[[Placement], AbstractContextManager[Gateway]]:
    """Return a starter of LiteLLM without a database, configured by its production guide."""

    @contextmanager
    def start(placement: Placement) -> Iterator[Gateway]:
        config = placement.folder / "litellm.yaml"
        config.write_text(json.dumps(_litellm_config(placement.upstream)), encoding="utf-8")
        command = [str(program), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(placement.port), "--num_workers", "1", "--telemetry", "False"]
        environment = {
            **os.environ,
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            # Otherwise it downloads lists of models and notices at the start.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
            "LITELLM_LOCAL_BLOG_POSTS": "True",
        }
        with run_process(command, placement.folder / "litellm.log", environment) as child:
            wait_for_port(placement.port, child)
            headers = {"authorization": f"Bearer {_LITELLM_KEY}"}
            yield Gateway("LiteLLM", placement.port, headers, "bench", child.pid)

    return start


def portkey_gateway(
    program: tuple[str, Path],
) -> Callable[[Placement], AbstractContextManager[Gateway]]:
    """Return a starter of Portkey's gateway, whose upstream is named in each call's headers."""

    @contextmanager
    def start(placement: Placement) -> Iterator[Gateway]:
        node, script = program
        command = [node, str(script), f"--port={placement.port}", "--headless"]
        environment = {**os.environ, "NODE_ENV": "production"}
        with run_process(command, placement.folder / "portkey.log", environment) as child:
            wait_for_port(placement.port, child)
            headers = {
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"http://127.0.0.1:{placement.upstream}/v1",
                "authorization": "Bearer sk-upstream",
            }
            yield Gateway("Portkey", placement.port, headers, "bench", child.pid)

    return start


def _litellm_config(upstream: int) -> dict[str, object]:
    """Return LiteLLM's configuration; it is written as JSON, which is valid YAML."""
    target = {
        "model": "openai/bench",
        "api_base": f"http://127.0.0.1:{upstream}/v1",
        "api_key": "sk-upstream",
    }
    return {
        "model_list": [{"model_name": "bench", "litellm_params": target}],
        "general_settings": {"master_key": _LITELLM_KEY},
        "litellm_settings": {"set_verbose": False, "telemetry": False},
    }


def _first_key(child: subprocess.Popen[bytes]) -> str:
    data: dict[str, object] = {}
    for line in child.stdout or ():
        data = json.loads(line)
        if data.get("stage") == "ready":
            return str(data["api_key"])
    child.wait()
    raise RuntimeError(f"maas did not start: {data}")


def _text_model(port: int, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers=dict(headers))
    with urllib.request.urlopen(request, timeout=10) as answer:
        models = json.load(answer)["data"]
    return str(next(model["id"] for model in models if model["task"] == "text-generation"))


def _gateway_process(up: int) -> int:
    """Return the process id of the gateway, a child of `maas up`."""
    children = psutil.Process(up).children()
    return next(child.pid for child in children if child.cmdline()[1:3] == ["-m", "gateway"])
