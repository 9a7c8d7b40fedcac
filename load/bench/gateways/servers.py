"""The gateways under measurement, each started as its users start it: one worker, quiet logs."""

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

from load.bench.gateways.processes import postmaster_of, python_module, running, wait_for_port

_LITELLM_KEY = "sk-bench-0123456789"


# All of them are in force, and none is reached.
_LIMITS = {
    "MAAS_CREDIT_LIMIT": "1000000",
    "MAAS_REQUESTS_PER_MINUTE": str(10**9),
    "MAAS_TOKENS_PER_MINUTE": str(10**12),
    "MAAS_CONCURRENT_STREAMS": "100000",
    "MAAS_MODEL_CONCURRENCY": "2048",
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where a gateway lives: a folder of its own, its port and that of its upstream."""

    folder: Path
    port: int
    upstream: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. `process` is the root of its tree, `database` that of its PostgreSQL."""

    name: str
    port: int
    headers: Mapping[str, str]
    model: str
    process: int
    database: int | None = None


@contextmanager
def bare_relay(site: Site) -> Iterator[Gateway]:
    """Litestar without a feature."""
    command = python_module("load.bench.gateways.relay", site.port, site.upstream)
    with running(command, site.folder / "relay.log") as child:
        wait_for_port(site.port, child)
        yield Gateway("bare", site.port, {}, "bench", child.pid)


@contextmanager
def maas(site: Site, workers: int) -> Iterator[Gateway]:
    """Ours with everything on: every call is admitted, and metered durably in PostgreSQL."""
    data_dir = site.folder / "data"
    environment = {
        # Settings of whoever runs this would make another service of it.
        **{name: value for name, value in os.environ.items() if not name.startswith("MAAS_")},
        "MAAS_DATA_DIR": str(data_dir),
        "MAAS_PORT": str(site.port),
        "MAAS_SERVING_URL": f"http://127.0.0.1:{site.upstream}",
        "MAAS_WORKERS": str(workers),
        **_LIMITS,
    }
    command = [str(Path(sys.executable).with_name("maas")), "up", "--json"]
    log = site.folder / "maas.log"
    with running(command, log, environment, stdout=subprocess.PIPE) as child:
        headers = {"authorization": f"Bearer {_first_key(child)}"}
        yield Gateway(
            name="maas" if workers == 1 else f"maas, {workers} workers",
            port=site.port,
            headers=headers,
            model=_text_model(site.port, headers),
            process=_gateway_process(child.pid),
            database=postmaster_of(data_dir / "postgres"),
        )


def litellm_proxy(program: Path) -> Callable[[Site], AbstractContextManager[Gateway]]:
    """LiteLLM without a database, as its own guide for production quietens it."""

    @contextmanager
    def start(site: Site) -> Iterator[Gateway]:
        config = site.folder / "litellm.yaml"
        config.write_text(json.dumps(_litellm_config(site.upstream)), encoding="utf-8")
        command = [str(program), "--config", str(config), "--host", "127.0.0.1"]
        command += ["--port", str(site.port), "--num_workers", "1", "--telemetry", "False"]
        environment = {
            **os.environ,
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            # Its lists of models and notices would be fetched from the internet at the start.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
            "LITELLM_LOCAL_BLOG_POSTS": "True",
        }
        with running(command, site.folder / "litellm.log", environment) as child:
            wait_for_port(site.port, child)
            headers = {"authorization": f"Bearer {_LITELLM_KEY}"}
            yield Gateway("LiteLLM", site.port, headers, "bench", child.pid)

    return start


def portkey_gateway(program: tuple[str, Path]) -> Callable[[Site], AbstractContextManager[Gateway]]:
    """Portkey's gateway: the upstream is named by each call's headers."""

    @contextmanager
    def start(site: Site) -> Iterator[Gateway]:
        node, script = program
        command = [node, str(script), f"--port={site.port}", "--headless"]
        environment = {**os.environ, "NODE_ENV": "production"}
        with running(command, site.folder / "portkey.log", environment) as child:
            wait_for_port(site.port, child)
            headers = {
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"http://127.0.0.1:{site.upstream}/v1",
                "authorization": "Bearer sk-upstream",
            }
            yield Gateway("Portkey", site.port, headers, "bench", child.pid)

    return start


def _litellm_config(upstream: int) -> dict[str, object]:
    """As JSON, which is YAML too."""
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
    said: dict[str, object] = {}
    for line in child.stdout or ():
        said = json.loads(line)
        if said.get("stage") == "ready":
            return str(said["api_key"])
    child.wait()
    raise RuntimeError(f"maas did not start: {said}")


def _text_model(port: int, headers: Mapping[str, str]) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers=dict(headers))
    with urllib.request.urlopen(request, timeout=10) as answer:
        models = json.load(answer)["data"]
    return str(next(model["id"] for model in models if model["task"] == "text-generation"))


def _gateway_process(up: int) -> int:
    """`maas up` only watches; the gateway is its child."""
    children = psutil.Process(up).children()
    return next(child.pid for child in children if child.cmdline()[1:3] == ["-m", "gateway"])
