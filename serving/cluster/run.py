"""Serving, from deployed to stopped.

Owns the order: start, deploy, wait to be told to stop, stop. Imports Ray, so the environment is in
force before (__main__.py).
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
from serving.cluster.plan import targets
from serving.cluster.signals import stop_with
from serving.folders import Folders
from serving.progress import Progress, Stage
from serving.variant_folder import VariantFolder
from serving.weights.weights import Obtained

# Between two looks for what nobody uses: also where nothing new comes that would need the room.
_TIDY_S = 3600.0


def run(
    arguments: Arguments,
    folders: Folders,
    catalog: Catalog,
    weights: dict[str, Obtained],
    progress: Progress,
) -> None:
    """Serve until a signal comes. Raises ServingFailed where something does not start."""
    try:
        progress.report(Stage.RAY, "Starting Ray Serve")
        cluster.start(arguments, folders)
        stop_with(KeyboardInterrupt)  # Ray put its own handlers in the place of ours
        variants = VariantFolder(folders.variants)
        variants.tidy()
        _deploy(arguments, folders, catalog, weights, progress)
        progress.report(Stage.READY, f"Serving on http://{arguments.host}:{arguments.port}", 1.0)
        _until_told(variants.tidy)
    finally:
        _ignore_signals()
        cluster.stop()


def _deploy(
    arguments: Arguments,
    folders: Folders,
    catalog: Catalog,
    weights: dict[str, Obtained],
    progress: Progress,
) -> None:
    progress.report(Stage.DEPLOY, "Preparing the models", 0.0)
    traces = traces_endpoint(os.environ)
    planned = targets(catalog, weights, arguments.profile, folders, arguments.scalings, traces)

    def tell(running: list[str], waiting: list[str]) -> None:
        share = len(running) / len(planned)
        progress.report(Stage.DEPLOY, f"Loading: {', '.join(waiting) or 'done'}", share)

    cluster.deploy(planned, tell)


def _until_told(tidy: Callable[[], None]) -> None:
    told = threading.Event()

    def tell(number: int, frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    while not told.wait(_TIDY_S):
        tidy()


def _ignore_signals() -> None:
    """A second Ctrl-C must not interrupt the stop: it would leave processes behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
