"""The life of a serving process: start Ray, deploy, wait for a stop signal, stop.

Imports Ray, so __main__.py sets the environment before it imports this module.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from models.catalog import Catalog
from serving.cluster import cluster
from serving.cluster.arguments import Arguments
from serving.cluster.environment import traces_endpoint
from serving.cluster.plan import plan_applications
from serving.cluster.signals import raise_on_stop_signals
from serving.folders import Folders
from serving.progress import Progress, Stage
from serving.variant_folder import VariantFolder
from serving.weights.weights import ObtainedWeights

# Between two deletions of unused variants; needed even if no new variant arrives.
_CLEANUP_INTERVAL_S = 3600.0


def run_serving(
    arguments: Arguments,
    folders: Folders,
    catalog: Catalog,
    weights: dict[str, ObtainedWeights],
    progress: Progress,
) -> None:
    """Serve until SIGTERM or SIGINT. Raises ServingFailed if the start fails."""
    try:
        progress.report(Stage.RAY, "Starting Ray Serve")
        cluster.start(arguments, folders)
        raise_on_stop_signals(KeyboardInterrupt)  # Ray replaced our signal handlers
        variants = VariantFolder(folders.variants)
        variants.remove_unused()
        _deploy(arguments, folders, catalog, weights, progress)
        progress.report(Stage.READY, f"Serving on http://{arguments.host}:{arguments.port}", 1.0)
        _wait_for_stop_signal(variants.remove_unused)
    finally:
        _ignore_signals()
        cluster.stop()


def _deploy(
    arguments: Arguments,
    folders: Folders,
    catalog: Catalog,
    weights: dict[str, ObtainedWeights],
    progress: Progress,
) -> None:
    """Deploy all applications and report the progress."""
    progress.report(Stage.DEPLOY, "Preparing the models", 0.0)
    traces = traces_endpoint(os.environ)
    applications = plan_applications(
        catalog, weights, arguments.profile, folders, arguments.scaling, traces
    )

    def report(running: list[str], waiting: list[str]) -> None:
        fraction = len(running) / len(applications)
        progress.report(Stage.DEPLOY, f"Loading: {', '.join(waiting) or 'done'}", fraction)

    cluster.deploy(applications, report)


def _wait_for_stop_signal(remove_unused: Callable[[], None]) -> None:
    """Wait for SIGTERM or SIGINT, calling `remove_unused` every hour."""
    stop_requested = threading.Event()

    def request_stop(number: int, frame: FrameType | None) -> None:
        stop_requested.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    while not stop_requested.wait(_CLEANUP_INTERVAL_S):
        remove_unused()


def _ignore_signals() -> None:
    """Ignore SIGTERM and SIGINT: a second Ctrl-C during the stop would leave processes behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
