"""The applications by their names in a Ray Serve config file, as `serving.applications:text`.

For a Ray cluster that somebody else starts, as KubeRay does or `ray start`; on one machine
serving/cluster/run.py starts all. Owns reading the settings there: `MAAS_DATA_DIR`, `MAAS_PROFILE`,
`MAAS_SPECIALIST_…` and `MAAS_ENGINE_…`, the same on each node. All nodes see one data directory:
weights are converted into it once, and what customers had made is found by whichever node answers.
"""

from typing import Any

from ray.serve import Application

from infra.settings import load_settings
from models.catalog import load_catalog
from models.extras import installed
from serving.cluster.plan import EMBEDDINGS, OPERATIONS, SPECIALISTS, TEXT, targets
from serving.errors import ServingFailed
from serving.folders import folders_of, prepare
from serving.scaling import scalings
from serving.weights.conversion_process import convert
from serving.weights.weights import obtain


def operations(_arguments: dict[str, Any]) -> Application:
    """Health of all models, the engines' counts, adapters and adaptations: `/v2`."""
    return _application(OPERATIONS)


def specialists(_arguments: dict[str, Any]) -> Application:
    """`/v2/models`."""
    return _application(SPECIALISTS)


def embeddings(_arguments: dict[str, Any]) -> Application:
    """`/v1/embeddings`."""
    return _application(EMBEDDINGS)


def text(_arguments: dict[str, Any]) -> Application:
    """The language models: `/`, which is what no other prefix takes."""
    return _application(TEXT)


def _application(name: str) -> Application:
    """Raises ServingFailed, SettingsInvalid, WeightsBroken, of which Ray tells."""
    settings = load_settings()
    folders = folders_of(settings.data_dir)
    prepare(folders)
    catalog = load_catalog(settings.profile).only(installed)
    weights = {
        model.id: obtain(model, folders.data, _nobody_watches, convert)
        for model in catalog.models.values()
    }
    planned = targets(catalog, weights, settings.profile, folders, scalings(settings))
    for one in planned:
        if one.name == name:
            return one.target
    raise ServingFailed(f"The profile {settings.profile!r} has nothing for {name!r}.")


def _nobody_watches(message: str, fraction: float | None) -> None:
    """Ray tells of an application that is being built."""
