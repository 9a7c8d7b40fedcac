"""Export as Asset Administration Shells, in JSON or in an AASX package."""

import json

import aas_core3.jsonization as jsonization
import aas_core3.types as aas

from gateway.plant.assets.values import PlantModel
from gateway.plant.formats.aas.graph_parts import build_graph_parts
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.package import AASX_MEDIA_TYPE, write_package
from gateway.plant.formats.aas.shells import DEFAULT_READINGS_URL, PlantShells
from gateway.plant.formats.results import ExportedFile, Note, NoteCode, NoteCollector

JSON_MEDIA_TYPE = "application/json"
_DEFAULT_NAMESPACE = Namespace()


def write_aas_json(
    model: PlantModel,
    namespace: Namespace = _DEFAULT_NAMESPACE,
    readings_url: str = DEFAULT_READINGS_URL,
) -> ExportedFile:
    """Return the model as JSON of the metamodel 3.0; `readings_url` is where readings are read."""
    environment, notes = _environment(model, namespace, readings_url)
    content = json.dumps(jsonization.to_jsonable(environment), ensure_ascii=False).encode()
    return ExportedFile(content, JSON_MEDIA_TYPE, notes)


def write_aasx(
    model: PlantModel,
    namespace: Namespace = _DEFAULT_NAMESPACE,
    readings_url: str = DEFAULT_READINGS_URL,
) -> ExportedFile:
    """Return the model as an AASX package; `readings_url` is where readings are read."""
    environment, notes = _environment(model, namespace, readings_url)
    return ExportedFile(write_package(environment), AASX_MEDIA_TYPE, notes)


def _environment(
    model: PlantModel, namespace: Namespace, readings_url: str
) -> tuple[aas.Environment, tuple[Note, ...]]:
    """Return all shells and submodels of the model, and what they leave out."""
    notes = NoteCollector()
    shells = PlantShells(model, namespace, readings_url)
    assets = list(shells.assets.values())
    for asset in assets:
        if shells.has_incomplete_nameplate(asset):
            notes.add(NoteCode.NAMEPLATE_INCOMPLETE, asset.code)
    submodels = [submodel for asset in assets for submodel in shells.submodels(asset)]
    submodels += build_graph_parts(model, namespace)
    environment = aas.Environment(
        [shells.shell(asset) for asset in assets] or None, submodels or None
    )
    return environment, notes.notes()
