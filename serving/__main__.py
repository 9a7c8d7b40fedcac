"""`python -m serving --data-dir DIR`: serve the models of the catalog until told to stop."""

import importlib
import os
import sys
from pathlib import Path

import structlog

from infra.errors import AppError
from infra.processes import exit_with_parent
from models.catalog import Catalog, load_catalog
from models.extras import installed
from serving.cluster.arguments import Arguments, parse
from serving.cluster.environment import environment, free_ports, write_token
from serving.cluster.haproxy import end_leftover, write_script
from serving.cluster.signals import stop_with
from serving.folders import Folders, folders_of, forget_old_sessions, only_one, prepare
from serving.progress import Progress, Stage, progress
from serving.weights.conversion_process import convert
from serving.weights.weights import Obtained, obtain


def main() -> int:
    arguments = parse(sys.argv[1:])
    if arguments.exit_with_parent:
        exit_with_parent()
    stop_with(KeyboardInterrupt)
    folders = folders_of(arguments.data_dir)
    with progress() as shown:
        try:
            prepare(folders)
            with only_one(folders):
                _log_to(folders.logs / "serving.log")
                _serve(arguments, folders, shown)
        except KeyboardInterrupt:
            return 0
        except AppError as error:
            shown.report(Stage.FAILED, error.message)
            return 1
        except Exception:
            structlog.get_logger().exception("serving failed")
            where = folders.logs / "serving.log"
            shown.report(Stage.FAILED, f"The models could not be started; {where} says why.")
            return 1
    return 0


def _serve(arguments: Arguments, folders: Folders, shown: Progress) -> None:
    catalog = load_catalog(arguments.profile).only(installed)
    weights = _weights(catalog, folders, shown)
    end_leftover(folders)
    forget_old_sessions(folders)
    ports = free_ports()
    write_token(folders)
    write_script(folders, ports, arguments)
    os.environ.update(environment(folders, ports, os.environ))
    if all(one.local for one in weights.values()):
        # Without it each library asks a hub that may not answer before it looks at the disk.
        os.environ["HF_HUB_OFFLINE"] = "1"
    # Imported only now: Ray, Serve and vLLM read the environment when they are imported.
    importlib.import_module("serving.cluster.run").run(arguments, folders, catalog, weights, shown)


def _weights(catalog: Catalog, folders: Folders, shown: Progress) -> dict[str, Obtained]:
    def report(message: str, fraction: float | None) -> None:
        shown.report(Stage.WEIGHTS, message, fraction)

    return {
        model.id: obtain(model, folders.data, report, convert) for model in catalog.models.values()
    }


def _log_to(path: Path) -> None:
    """Everything on standard error into the log: libraries in C write there too, past Python."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, sys.stderr.fileno())
    if not sys.stdout.isatty():
        os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
