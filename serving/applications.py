"""Ray Serve application builders for a config file, for example `serving.applications:text`.

For a Ray cluster started by KubeRay or `ray start`; on a single machine serving/cluster/run.py
starts everything. The settings `MAAS_DATA_DIR`, `MAAS_PROFILE`, `MAAS_SPECIALIST_…` and
`MAAS_ENGINE_…` must be the same on each node. All nodes share a single data
directory: weights are converted once, and every node finds the customers' variants in it.
"""

from typing import Any

from ray.serve import Application

from infra.settings import load_settings
from models.catalog import load_configured_catalog
from models.extras import is_installed
from serving.cluster.plan import EMBEDDINGS, OPERATIONS, SPECIALISTS, TEXT, plan_applications
from serving.errors import ServingFailed
from serving.folders import create_folders, resolve_folders
from serving.scaling import load_scaling
from serving.weights.conversion_process import convert_in_child_process
from serving.weights.weights import obtain_weights


def operations(_arguments: dict[str, Any]) -> Application:
    """Build the operations application at `/v2`: readiness, metrics, adapters and fine-tuning."""
    return _build_application(OPERATIONS)


def specialists(_arguments: dict[str, Any]) -> Application:
    """Build the specialists' application at `/v2/models`."""
    return _build_application(SPECIALISTS)


def embeddings(_arguments: dict[str, Any]) -> Application:
    """Build the embeddings application at `/v1/embeddings`."""
    return _build_application(EMBEDDINGS)


def text(_arguments: dict[str, Any]) -> Application:
    """Build the language models' application at `/`, for all paths without a longer prefix."""
    return _build_application(TEXT)


def _build_application(name: str) -> Application:
    """Obtain the weights and build the application `name`.

    Raises ServingFailed, SettingsInvalid or WeightsBroken; Ray reports them as a failed deployment.
    """
    settings = load_settings()
    folders = resolve_folders(settings.data_dir)
    create_folders(folders)
    catalog = load_configured_catalog(settings).run_by_own_servers().filter(is_installed)
    weights = {
        model.id: obtain_weights(model, folders.data, _ignore_progress, convert_in_child_process)
        for model in catalog.models.values()
    }
    applications = plan_applications(
        catalog, weights, settings.profile, folders, load_scaling(settings)
    )
    for application in applications:
        if application.name == name:
            return application.target
    raise ServingFailed(f"The profile {settings.profile!r} has no application {name!r}.")


def _ignore_progress(message: str, fraction: float | None) -> None:
    """Discard progress: Ray reports that the application is being built."""
