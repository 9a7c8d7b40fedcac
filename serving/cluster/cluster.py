"""Start, deploy to and stop the Ray cluster of one machine, leaving no process behind."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus

from infra.processes import adopt_orphans, kill_descendants
from models.catalog.profiles import Hardware, hardware_of
from serving.cluster.arguments import LOOPBACK, Arguments
from serving.cluster.environment import NODE_START_TIMEOUT_S
from serving.cluster.observers import without_observers
from serving.cluster.slow_start import allow_slow_start
from serving.errors import ServingFailed
from serving.folders import Folders

# A fine-tuned adapter passes through it as one line: 116 MB for a base of 9 billion parameters.
_OBJECT_STORE_BYTES = {Hardware.CPU: 100 << 20, Hardware.GPU: 1 << 30}
# Polling takes CPU time, which the loading models need. The interval therefore grows with the
# start-up time; progress is late by a twentieth of that time at most.
_POLL_S, _POLL_FRACTION = 2.0, 0.05
_STOP_TIMEOUT_S = 8.0

ReportDeployment = Callable[[list[str], list[str]], None]
"""Called with the names of the running and of the waiting applications."""


def start(arguments: Arguments, folders: Folders) -> None:
    """Start Ray and Ray Serve on loopback. Raises ServingFailed if the HTTP port is in use."""
    _require_free_port(arguments)
    adopt_orphans()
    with allow_slow_start(NODE_START_TIMEOUT_S), without_observers():
        _start_ray(folders, _OBJECT_STORE_BYTES[hardware_of(arguments.profile)])
    # Ray binds the replicas' ports to this address too, so it is always loopback; haproxy.py
    # rewrites HAProxy's own address to the public one.
    serve.start(http_options={"host": LOOPBACK, "port": arguments.port})


def _start_ray(folders: Folders, object_store_bytes: int) -> None:
    """Start Ray on loopback, without its dashboard and log forwarding."""
    ray.init(
        include_dashboard=False,
        _node_ip_address=LOOPBACK,
        _temp_dir=str(folders.ray),
        object_store_memory=object_store_bytes,
        log_to_driver=False,
        configure_logging=False,
    )


def deploy(targets: Sequence[serve.RunTarget], report: ReportDeployment) -> None:
    """Deploy all applications and wait until each is running.

    Raises ServingFailed if a deployment fails.
    """
    serve.run_many(
        list(targets),
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
    waiting = [target.name for target in targets]
    started_at = time.monotonic()
    while waiting:
        time.sleep(max(_POLL_S, _POLL_FRACTION * (time.monotonic() - started_at)))
        statuses = _application_statuses()
        for name in waiting:
            _require_not_failed(name, statuses.get(name))
        waiting = [name for name in waiting if statuses.get(name) is not ApplicationStatus.RUNNING]
        report([target.name for target in targets if target.name not in waiting], waiting)


def stop() -> None:
    """Stop Ray Serve and Ray, then kill all remaining child processes.

    The shutdown has a timeout because a cluster that lost a process can hang. An engine that was
    just starting ignores the shutdown and outlives the worker that started it.
    """
    stopping = threading.Thread(target=_shut_down, daemon=True)
    stopping.start()
    stopping.join(_STOP_TIMEOUT_S)
    kill_descendants(_STOP_TIMEOUT_S)


def _shut_down() -> None:
    """Shut down Ray Serve, then Ray."""
    if ray.is_initialized():
        with suppress(Exception):
            serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _require_free_port(arguments: Arguments) -> None:
    """Raise ServingFailed if the HTTP port cannot be bound."""
    try:
        socket.create_server((arguments.host, arguments.port)).close()
    except OSError as error:
        raise ServingFailed(
            f"Port {arguments.port} on {arguments.host} is not available: {error.strerror}."
        ) from error


def _application_statuses() -> dict[str, ApplicationStatus]:
    """Return the status of each application.

    `serve.status` also describes every replica and proxy, in 0.2 s of CPU.
    """
    client: Any = _get_global_client()
    return {one.name: one.app_status.status for one in client.list_serve_statuses()}


def _require_not_failed(name: str, status: ApplicationStatus | None) -> None:
    """Raise ServingFailed if the deployment failed: it never recovers by itself."""
    if status is ApplicationStatus.DEPLOY_FAILED:
        raise ServingFailed(f"The application {name!r} does not start. See the logs.")
