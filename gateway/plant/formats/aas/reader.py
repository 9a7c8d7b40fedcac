"""Import of Asset Administration Shells: shells become assets, submodels their data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, AssetLevel, PlantModel, Point, Property
from gateway.plant.formats.aas.documents import AasDocument, read_documents
from gateway.plant.formats.aas.elements import extension, reference_value, semantics, stated_unit
from gateway.plant.formats.aas.graph_parts import GRAPH_PARTS, read_graph_parts
from gateway.plant.formats.aas.identifiers import is_generated_asset_id
from gateway.plant.formats.aas.properties import read_classes, read_properties
from gateway.plant.formats.aas.semantics import STRUCTURES, TIME_SERIES
from gateway.plant.formats.aas.series import read_segments, read_series
from gateway.plant.formats.aas.structures import read_parents
from gateway.plant.formats.aas.texts import preferred_text
from gateway.plant.formats.hierarchy import fit_levels, without_cycles
from gateway.plant.formats.limits import DEFAULT_LIMITS, FormatLimits
from gateway.plant.formats.results import (
    FormatInvalid,
    ImportedModel,
    NoteCode,
    NoteCollector,
)
from models.sentences import sentence


@dataclass(frozen=True, slots=True)
class _Shell:
    """A shell with the code of its asset, its submodels by id, and what its time series contain.

    Time series are most of a file; their submodels are not kept.
    """

    code: str
    shell: aas.AssetAdministrationShell
    submodels: dict[str, aas.Submodel] = field(default_factory=dict)
    points: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    links: dict[str, Property] = field(default_factory=dict)

    def in_order(self) -> list[str]:
        """Return the ids of the submodels in the order in which the shell names them."""
        return [reference_value(one) for one in self.shell.submodels or ()]


@dataclass(frozen=True, slots=True)
class _Content:
    """The shells of a file in its order, the submodels of the whole plant, and units by id."""

    shells: list[_Shell]
    rest: list[aas.Submodel]
    units: Mapping[str, str]


def read_aas(content: bytes, limits: FormatLimits = DEFAULT_LIMITS) -> ImportedModel:
    """Return the model of an AASX package, or of an environment in JSON or XML.

    Raises FormatInvalid, FormatTooLarge.
    """
    notes = NoteCollector()
    try:
        found = _read(read_documents(content, limits, notes), notes)
    except RecursionError:
        raise FormatInvalid(sentence("The elements of the file are nested too deeply.")) from None
    if not found.shells and not found.rest:
        raise FormatInvalid(sentence("The file has no Asset Administration Shells."))
    assets = [_asset(one, found.units, notes) for one in found.shells]
    parents = _parents(found.shells, notes)
    levels = fit_levels({asset.code: asset.level for asset in assets}, parents, notes)
    placed = tuple(
        replace(asset, parent=parents.get(asset.code), level=levels[asset.code]) for asset in assets
    )
    points = tuple(
        point
        for one in found.shells
        for name in one.in_order()
        for point in one.points.get(name, ())
    )
    graph = read_graph_parts(found.rest, found.units, notes)
    model = PlantModel(
        placed,
        _unique((*points, *graph.points), notes),
        tuple(graph.entities),
        tuple(graph.relations),
    )
    return ImportedModel(model, notes.notes())


def _read(documents: Sequence[AasDocument], notes: NoteCollector) -> _Content:
    """Return the shells with their submodels, and the submodels of the whole plant.

    Other submodels of no shell are noted.
    """
    shells: dict[str, _Shell] = {}
    owners: dict[str, list[_Shell]] = {}
    for document in documents:
        for shell in document.head.asset_administration_shells or ():
            code = _code(shell)
            if code in shells:
                notes.add(NoteCode.CODE_REPLACED, code)
                code = shell.id
            shells[code] = _Shell(code, shell)
    for one in shells.values():
        for name in one.in_order():
            owners.setdefault(name, []).append(one)
    units = _units([document.head for document in documents])
    rest: dict[str, aas.Submodel] = {}
    unused: dict[str, str] = {}
    for submodel in (one for document in documents for one in document.submodels()):
        for shell_of in owners.get(submodel.id, ()):
            _keep(shell_of, submodel, units, notes)
        if submodel.id not in owners:
            if semantics(submodel) in GRAPH_PARTS:
                rest[submodel.id] = submodel
            else:
                unused[submodel.id] = submodel.id_short or submodel.id
    for _, name in sorted(unused.items()):
        notes.add(NoteCode.ELEMENT_SKIPPED, name)
    return _Content(list(shells.values()), [rest[name] for name in sorted(rest)], units)


def _keep(
    one: _Shell, submodel: aas.Submodel, units: Mapping[str, str], notes: NoteCollector
) -> None:
    """Keep a submodel of a shell, or what a time series contains."""
    if semantics(submodel) == TIME_SERIES:
        one.points[submodel.id] = tuple(read_series(submodel, one.code, units, notes))
        one.links.update(read_segments(submodel))
    else:
        one.submodels[submodel.id] = submodel


def _code(shell: aas.AssetAdministrationShell) -> str:
    """Return the code of a shell's asset: its specific id `code`, the idShort or the id."""
    for specific in shell.asset_information.specific_asset_ids or ():
        if specific.name == "code":
            return specific.value
    return shell.id_short or shell.id


def _asset(one: _Shell, units: Mapping[str, str], notes: NoteCollector) -> Asset:
    """Return the asset of a shell, without its parent."""
    shell = one.shell
    stated = extension(shell, "level")
    name = extension(shell, "name") or preferred_text(shell.display_name)
    properties: dict[str, Property] = {}
    types: dict[str, str] = {}
    for name_of in one.in_order():
        submodel = one.submodels.get(name_of)
        if submodel is not None and semantics(submodel) not in STRUCTURES:
            types |= read_classes(submodel)
            read_properties(submodel, properties, units, notes)
    properties |= one.links
    global_id = shell.asset_information.global_asset_id
    return Asset(
        one.code,
        name or shell.id_short or one.code,
        AssetLevel(stated) if stated in set(AssetLevel) else AssetLevel.EQUIPMENT,
        None,
        types,
        properties,
        None if global_id is None or is_generated_asset_id(global_id) else global_id,
    )


def _parents(shells: Sequence[_Shell], notes: NoteCollector) -> dict[str, str]:
    """Return the parent's code of each asset's code, by structures and our own extensions."""
    by_id = {
        identifier: one.code
        for one in shells
        if (identifier := one.shell.asset_information.global_asset_id)
    }
    codes = {one.code for one in shells}
    parents: dict[str, str] = {}
    for one in shells:
        for submodel in _structures(one):
            for child, parent in read_parents(submodel, by_id, one.code, notes):
                if parents.setdefault(child, parent) != parent:
                    notes.add(NoteCode.RELATION_SKIPPED, f"{parent} -> {child}")
        stated = extension(one.shell, "parent")
        if stated in codes:
            parents.setdefault(one.code, stated)
    return without_cycles(parents, notes)


def _structures(one: _Shell) -> list[aas.Submodel]:
    """Return the submodels of a shell that state parts, in its order."""
    found = (one.submodels.get(name) for name in one.in_order())
    return [each for each in found if each is not None and semantics(each) in STRUCTURES]


def _units(environments: Sequence[aas.Environment]) -> dict[str, str]:
    """Return the units that concept descriptions state, by their ids."""
    return {
        concept.id: unit
        for environment in environments
        for concept in environment.concept_descriptions or ()
        if (unit := stated_unit(concept))
    }


def _unique(points: Sequence[Point], notes: NoteCollector) -> tuple[Point, ...]:
    """Return the points, of which later ones with a taken tag are prefixed by their asset."""
    unique: dict[str, Point] = {}
    for point in points:
        if point.tag in unique:
            notes.add(NoteCode.CODE_REPLACED, point.tag)
            point = replace(point, tag=f"{point.asset}/{point.tag}")
        unique.setdefault(point.tag, point)
    return tuple(unique.values())
