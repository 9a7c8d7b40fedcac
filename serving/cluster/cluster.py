"""The Ray cluster of one machine and what Serve runs on it.

Owns starting both, waiting until the applications answer, and leaving no process behind.
"""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray import serve
from ray.serve.schema import ApplicationStatus

from infra.processes import adopt_orphans, kill_descendants
from serving.cluster.arguments import LOOPBACK, Arguments
from serving.errors import ServingFailed
from serving.folders import Folders

_OBJECT_STORE = 100 << 20
# Each call of `serve.status` takes 0.2 s of processor, which the models that load need: the longer
# they take, the more seldom it is asked. What is told is late by a twentieth of the start at most.
_POLL_S, _POLL_SHARE = 2.0, 0.05
_PATIENCE_S = 8.0

Tell = Callable[[list[str], list[str]], None]
"""Called with the applications that run and those that do not yet."""


def start(arguments: Arguments, folders: Folders) -> None:
    """Start Ray and Serve, all on loopback. Raises ServingFailed where the port is taken."""
    _require_port(arguments)
    adopt_orphans()
    ray.init(
        include_dashboard=False,
        _node_ip_address=LOOPBACK,
        _temp_dir=str(folders.ray),
        object_store_memory=_OBJECT_STORE,
        log_to_driver=False,
        configure_logging=False,
    )
    # The replicas' ports get this address too, so it is loopback whatever the public one is;
    # haproxy.py puts the public one right.
    serve.start(http_options={"host": LOOPBACK, "port": arguments.port})


def deploy(targets: Sequence[serve.RunTarget], tell: Tell) -> None:
    """Start all applications at once and wait until each runs. Raises ServingFailed."""
    serve.run_many(
        list(targets),
        wait_for_ingress_deployment_creation=False,
        wait_for_applications_running=False,
    )
    waiting = [target.name for target in targets]
    begun = time.monotonic()
    while waiting:
        time.sleep(max(_POLL_S, _POLL_SHARE * (time.monotonic() - begun)))
        applications = serve.status().applications
        for name in waiting:
            _require_hope(name, applications.get(name))
        waiting = [name for name in waiting if not _runs(applications.get(name))]
        tell([target.name for target in targets if target.name not in waiting], waiting)


def stop() -> None:
    """Stop Serve, then Ray, then whatever of them is left.

    A cluster that lost a process can hang when asked to stop, so it gets limited time. An engine
    that was just starting knows of no stop at all, and outlives the worker that started it.
    """
    stopping = threading.Thread(target=_stop_in_order, daemon=True)
    stopping.start()
    stopping.join(_PATIENCE_S)
    kill_descendants(_PATIENCE_S)


def _stop_in_order() -> None:
    if ray.is_initialized():
        with suppress(Exception):
            serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _require_port(arguments: Arguments) -> None:
    try:
        socket.create_server((arguments.host, arguments.port)).close()
    except OSError as error:
        raise ServingFailed(
            f"Port {arguments.port} on {arguments.host} cannot be used: {error.strerror}."
        ) from error


def _runs(application: Any) -> bool:
    return application is not None and application.status is ApplicationStatus.RUNNING


def _require_hope(name: str, application: Any) -> None:
    """A failed deployment stays failed: waiting longer would be waiting for ever."""
    if application is not None and application.status is ApplicationStatus.DEPLOY_FAILED:
        raise ServingFailed(f"The application {name!r} does not start; the logs say why.")
