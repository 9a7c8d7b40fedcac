"""The environment in which Ray, Serve, HAProxy and vLLM run.

They read it when imported, so it has to be set before: __main__.py does.
"""

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import MappingProxyType

from serving.cluster.arguments import LOOPBACK
from serving.folders import Folders

# Below those that Linux and macOS give out.
_FIXED_PORTS = range(20_000, 32_000)
_TRACES: Mapping[str, str] = MappingProxyType(
    {
        "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "serving.cluster.tracing:span_processors",
        # The gateway chooses which calls are traced; what comes without a call, as probes, is not.
        "RAY_SERVE_TRACING_SAMPLING_RATIO": "0",
        "OTEL_SERVICE_NAME": "maas-serving",
        # vLLM would send by gRPC.
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports that Ray gives fixed numbers, at which two servings would collide."""

    metrics: int
    stats: int
    fallback: int


def environment(folders: Folders, ports: Ports, current: Mapping[str, str]) -> dict[str, str]:
    """The whole environment. An operator's own value wins, except where ours is a promise."""
    traces = {} if traces_endpoint(current) is None else _TRACES
    return {**_defaults(folders), **traces, **current, **_promises(folders, ports)}


def traces_endpoint(current: Mapping[str, str]) -> str | None:
    """The base address of the collector of traces, by the gateway's setting or OpenTelemetry's."""
    names = ("MAAS_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    found = next((value for name in names if (value := current.get(name))), None)
    return found.rstrip("/") if found else None


def free_ports() -> Ports:
    """Three free loopback ports, held until all are known so that they differ."""
    with ExitStack() as held:
        return Ports(*(held.enter_context(reserved()).getsockname()[1] for _ in range(3)))


def reserved() -> socket.socket:
    """A socket that listens on a free loopback port, for a port that is bound again much later: it
    is none of those that the system gives to whoever asks for any port, or connects."""
    while True:
        with suppress(OSError):
            return socket.create_server((LOOPBACK, secrets.choice(_FIXED_PORTS)))


def write_token(folders: Folders) -> None:
    """A new secret for each run: without it nobody on this machine can give Ray code to run."""
    path = folders.run / "ray-token"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))


def _defaults(folders: Folders) -> dict[str, str]:
    return {
        # 1 GiB holds about 80,000 tokens of the small model: more than its 16 requests can use.
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CACHE_ROOT": str(folders.data / "cache" / "vllm"),
        "VLLM_LOGGING_LEVEL": "WARNING",
        # Nobody drains a balancer in front of us, so stopping need not wait 30 s for it.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        # An idle Ray worker would otherwise be started for each core, at 100 MB each.
        "RAY_enable_worker_prestart": "0",
    }


def _promises(folders: Folders, ports: Ports) -> dict[str, str]:
    run = folders.run
    return {
        # Measured (docs/decisions): 66 tokens/s without these two, 89 with, 89 on bare vLLM.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # Ray replaces a loopback address by the machine's own one unless clusters are off.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(run / "ray-token"),
        # Ray Serve for language models logs prompts unless told not to.
        "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(run / "haproxy"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(run / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(run / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(run / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(run),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(run / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.stats),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback),
    }
