"""`python -m serving --data-dir DIR`: serve the catalog's models until SIGTERM or SIGINT."""

import importlib
import os
import sys
from pathlib import Path

import structlog

from infra.errors import AppError
from infra.processes import exit_with_parent
from infra.settings import load_settings
from models.catalog import Catalog, load_catalog
from models.extras import is_installed
from serving.cluster.arguments import Arguments, parse_arguments
from serving.cluster.environment import build_environment, find_free_ports, write_ray_token
from serving.cluster.haproxy import kill_leftover_haproxy, write_haproxy_script
from serving.cluster.signals import raise_on_stop_signals
from serving.folders import (
    Folders,
    create_folders,
    delete_old_sessions,
    lock_data_dir,
    resolve_folders,
)
from serving.progress import Progress, Stage, open_progress
from serving.weights.conversion_process import convert_in_child_process
from serving.weights.weights import ObtainedWeights, obtain_weights


def main() -> int:
    """Run the command; return its exit status."""
    arguments = parse_arguments(sys.argv[1:])
    if arguments.exit_with_parent:
        exit_with_parent()
    raise_on_stop_signals(KeyboardInterrupt)
    folders = resolve_folders(arguments.data_dir)
    with open_progress() as progress:
        try:
            create_folders(folders)
            with lock_data_dir(folders):
                _redirect_output_to(folders.logs / "serving.log")
                _serve(arguments, folders, progress)
        except KeyboardInterrupt:
            return 0
        except AppError as error:
            progress.report(Stage.FAILED, error.message)
            return 1
        except Exception:
            structlog.get_logger().exception("serving failed")
            where = folders.logs / "serving.log"
            progress.report(Stage.FAILED, f"The models could not be started. See {where}.")
            return 1
    return 0


def _serve(arguments: Arguments, folders: Folders, progress: Progress) -> None:
    """Obtain the weights, set the environment of Ray and run the cluster."""
    # The gateway, which has the operator's servers, serves the models without weights.
    files = load_settings().catalog
    catalog = load_catalog(arguments.profile, operator_files=files).run_by_own_servers()
    catalog = catalog.filter(is_installed)
    weights = _obtain_weights(catalog, folders, progress)
    kill_leftover_haproxy(folders)
    delete_old_sessions(folders)
    ports = find_free_ports()
    write_ray_token(folders)
    write_haproxy_script(folders, ports, arguments)
    os.environ.update(build_environment(folders, ports, os.environ))
    if all(obtained.local for obtained in weights.values()):
        # Otherwise each library queries the Hugging Face hub before it reads the local files.
        os.environ["HF_HUB_OFFLINE"] = "1"
    # Imported here because Ray, Serve and vLLM read the environment when they are imported.
    importlib.import_module("serving.cluster.run").run_serving(
        arguments, folders, catalog, weights, progress
    )


def _obtain_weights(
    catalog: Catalog, folders: Folders, progress: Progress
) -> dict[str, ObtainedWeights]:
    """Obtain the weights of every model of the catalog, by model id."""

    def report(message: str, fraction: float | None) -> None:
        progress.report(Stage.WEIGHTS, message, fraction)

    return {
        model.id: obtain_weights(model, folders.data, report, convert_in_child_process)
        for model in catalog.models.values()
    }


def _redirect_output_to(path: Path) -> None:
    """Redirect standard error to the log file, including output of C libraries."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, sys.stderr.fileno())
    if not sys.stdout.isatty():
        os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
