"""Start and stop the servers under test.

The gateway with Ray Serve runs as users run it (`maas up`); the bare engine serves the same weights
with the same settings.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any

from load.bench.streamed_calls import Server

_GATEWAY, _SERVE, _BARE = 18080, 18000, 18001


@contextmanager
def run_maas(data_dir: Path) -> Iterator[tuple[Server, Server]]:
    """Run `maas up`; yields the gateway and the Ray Serve behind it."""
    environment = {
        **os.environ,
        "MAAS_DATA_DIR": str(data_dir),
        "MAAS_PORT": str(_GATEWAY),
        "MAAS_SERVING_PORT": str(_SERVE),
    }
    command = [str(Path(sys.executable).with_name("maas")), "up", "--json"]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        key = _wait_for_key(child)
        model = _text_model(f"http://127.0.0.1:{_GATEWAY}", key)
        yield (
            Server("gateway", f"http://127.0.0.1:{_GATEWAY}", model, key),
            Server("Ray Serve", f"http://127.0.0.1:{_SERVE}", model),
        )
    finally:
        child.send_signal(SIGINT)
        child.wait(90)


def run_maas_command(environment: Mapping[str, str], *command: str) -> Any:
    """Run a `maas` command and return its JSON output."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("maas")), *command, "--json"],
        check=True,
        env=dict(environment),
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout.splitlines()[-1])


def lift_limits(data_dir: Path) -> None:
    """Remove the limits of the service's first account."""
    command = [str(Path(sys.executable).with_name("maas")), "limits", "set", "demo"]
    wide = ["--requests", "none", "--tokens", "none", "--credit-limit", "100000"]
    environment = {**os.environ, "MAAS_DATA_DIR": str(data_dir)}
    subprocess.run([*command, *wide], check=True, env=environment, stdout=subprocess.DEVNULL)


@contextmanager
def bare_engine(weights: Path, arguments: list[str]) -> Iterator[Server]:
    """Run vLLM's own API server."""
    command = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(weights), "--served-model-name", "bare"),
        *("--host", "127.0.0.1", "--port", str(_BARE)),
        *arguments,
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    child = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{_BARE}/health", child)
        yield Server("bare vLLM", f"http://127.0.0.1:{_BARE}", "bare")
    finally:
        child.send_signal(SIGINT)
        child.wait(60)


def _wait_for_key(child: subprocess.Popen[bytes]) -> str:
    for line in child.stdout or ():
        progress = json.loads(line)
        sys.stderr.write(f"{progress.get('stage', '')}: {progress.get('message', '')}\n")
        if progress.get("stage") == "ready":
            if not progress["api_key"]:
                raise RuntimeError("the data directory was used before; give an empty one")
            return str(progress["api_key"])
    raise RuntimeError("the service did not start")


def _text_model(url: str, key: str) -> str:
    """Return the id of a model with its own weights, as the bare engine serves it."""
    request = urllib.request.Request(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        models = json.load(answer)["data"]
    own = (one for one in models if one["task"] == "text-generation" and not one["parent"])
    return str(next(own)["id"])


def _wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if child.poll() is not None:
            raise RuntimeError(f"the engine ended with code {child.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError("the engine did not start")
