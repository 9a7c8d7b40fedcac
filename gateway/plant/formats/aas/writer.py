"""Export as Asset Administration Shells, in JSON or in an AASX package.

Shells and submodels are built and written one by one, as all of a large plant need gigabytes.
"""

import io
import json
from collections.abc import Iterator
from itertools import chain

import aas_core3.jsonization as jsonization
import aas_core3.types as aas

from gateway.plant.assets.values import PlantModel
from gateway.plant.formats.aas.graph_parts import build_graph_parts
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.package import AASX_MEDIA_TYPE, write_package
from gateway.plant.formats.aas.shells import DEFAULT_READINGS_URL, PlantShells
from gateway.plant.formats.results import ExportedFile, NoteCode, NoteCollector

JSON_MEDIA_TYPE = "application/json"
_DEFAULT_NAMESPACE = Namespace()
Elements = Iterator[aas.Identifiable]


def write_aas_json(
    model: PlantModel,
    namespace: Namespace = _DEFAULT_NAMESPACE,
    readings_url: str = DEFAULT_READINGS_URL,
) -> ExportedFile:
    """Return the model as JSON of the metamodel 3.0; `readings_url` is where readings are read."""
    notes = NoteCollector()
    file = io.StringIO()
    file.write("{")
    separator = ""
    for name, elements in _lists(model, namespace, readings_url, notes):
        file.write(f'{separator}"{name}": ')
        opening = "["
        for element in elements:
            file.write(opening)
            file.write(json.dumps(jsonization.to_jsonable(element), ensure_ascii=False))
            opening = separator = ", "
        file.write("]")
    file.write("}")
    return ExportedFile(file.getvalue().encode(), JSON_MEDIA_TYPE, notes.notes())


def write_aasx(
    model: PlantModel,
    namespace: Namespace = _DEFAULT_NAMESPACE,
    readings_url: str = DEFAULT_READINGS_URL,
) -> ExportedFile:
    """Return the model as an AASX package; `readings_url` is where readings are read."""
    notes = NoteCollector()
    content = write_package(_lists(model, namespace, readings_url, notes))
    return ExportedFile(content, AASX_MEDIA_TYPE, notes.notes())


def _lists(
    model: PlantModel, namespace: Namespace, readings_url: str, notes: NoteCollector
) -> Iterator[tuple[str, Elements]]:
    """Yield the lists of an environment that are not empty: their names and elements.

    Notes what they leave out.
    """
    shells = PlantShells(model, namespace, readings_url)
    assets = shells.assets.values()
    for asset in assets:
        if shells.has_incomplete_nameplate(asset):
            notes.add(NoteCode.NAMEPLATE_INCOMPLETE, asset.code)
    if assets:
        yield "assetAdministrationShells", (shells.shell(asset) for asset in assets)
    submodels = _submodels(model, shells, namespace)
    first = next(submodels, None)
    if first is not None:
        yield "submodels", chain((first,), submodels)


def _submodels(
    model: PlantModel, shells: PlantShells, namespace: Namespace
) -> Iterator[aas.Submodel]:
    """Yield the submodels of all assets, then those of the whole plant."""
    for asset in shells.assets.values():
        yield from shells.submodels(asset)
    yield from build_graph_parts(model, namespace)
