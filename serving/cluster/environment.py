"""Environment variables for Ray, Ray Serve, HAProxy and vLLM.

These libraries read the environment when they are imported, so __main__.py sets it first.
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

# Ray's own limit of 30 s is too short on a busy machine.
NODE_START_TIMEOUT_S = 300
# Below the ephemeral port ranges of Linux and macOS.
_PORT_RANGE = range(20_000, 32_000)
_TRACING_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH": "serving.cluster.tracing:span_processors",
        # The gateway samples: a request without its trace context, such as a probe, is not traced.
        "RAY_SERVE_TRACING_SAMPLING_RATIO": "0",
        "OTEL_SERVICE_NAME": "maas-serving",
        # vLLM would default to gRPC.
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports to which Ray gives fixed defaults, so that two servers would collide."""

    metrics: int
    stats: int
    fallback: int


def build_environment(folders: Folders, ports: Ports, current: Mapping[str, str]) -> dict[str, str]:
    """Return all environment variables of the serving process.

    Values in `current` override the defaults but not the fixed variables, which guarantee loopback
    addresses, authentication and no telemetry.
    """
    traces = {} if traces_endpoint(current) is None else _TRACING_VARIABLES
    return {**_default_variables(folders), **traces, **current, **_fixed_variables(folders, ports)}


def traces_endpoint(current: Mapping[str, str]) -> str | None:
    """Return the OTLP base URL from MAAS_OTLP_ENDPOINT or OpenTelemetry's variable, or None."""
    names = ("MAAS_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    endpoint = next((value for name in names if (value := current.get(name))), None)
    return endpoint.rstrip("/") if endpoint else None


def find_free_ports() -> Ports:
    """Find three different free loopback ports."""
    with ExitStack() as sockets:
        return Ports(*(sockets.enter_context(reserve_port()).getsockname()[1] for _ in range(3)))


def reserve_port() -> socket.socket:
    """Return a listening socket on a free loopback port outside the ephemeral range.

    The caller may bind the port again much later: the system never assigns it to another process.
    """
    while True:
        with suppress(OSError):
            return socket.create_server((LOOPBACK, secrets.choice(_PORT_RANGE)))


def write_ray_token(folders: Folders) -> None:
    """Write a new Ray token for this run; Ray accepts code only from clients that present it."""
    path = folders.run / "ray-token"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))


def _default_variables(folders: Folders) -> dict[str, str]:
    """Return variables that the operator's environment may override."""
    return {
        # By default vLLM leaves one core to its other processes: of two cores, half the speed.
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        "VLLM_CACHE_ROOT": str(folders.data / "cache" / "vllm"),
        "VLLM_LOGGING_LEVEL": "WARNING",
        # No load balancer in front has to drain, so stopping need not wait 30 s.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
        # Otherwise Ray starts one idle worker of 100 MB for each core.
        "RAY_enable_worker_prestart": "0",
        "RAY_gcs_server_port_wait_time_s": str(NODE_START_TIMEOUT_S),
    }


def _fixed_variables(folders: Folders, ports: Ports) -> dict[str, str]:
    """Return variables that override the operator's environment."""
    run = folders.run
    return {
        # Measured (docs/decisions): 66 tokens/s without these two, 89 with them, 89 in bare vLLM.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # Unless clusters are disabled, Ray replaces a loopback address by the machine's address.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(run / "ray-token"),
        # Ray Serve LLM logs prompts by default.
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
