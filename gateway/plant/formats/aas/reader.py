"""Import of Asset Administration Shells: shells become assets, submodels their data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, AssetLevel, PlantModel, Point, Property
from gateway.plant.formats.aas.documents import read_environments
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
    """A shell with the code of its asset and its submodels."""

    code: str
    shell: aas.AssetAdministrationShell
    submodels: list[aas.Submodel] = field(default_factory=list)

    def with_semantics(self, semantic_ids: Collection[str]) -> list[aas.Submodel]:
        """Return the submodels with one of these semantic ids."""
        return [one for one in self.submodels if semantics(one) in semantic_ids]


def read_aas(content: bytes, limits: FormatLimits = DEFAULT_LIMITS) -> ImportedModel:
    """Return the model of an AASX package, or of an environment in JSON or XML.

    Raises FormatInvalid, FormatTooLarge.
    """
    notes = NoteCollector()
    environments = read_environments(content, limits, notes)
    shells, rest = _shells(environments, notes)
    if not shells and not rest:
        raise FormatInvalid(sentence("The file has no Asset Administration Shells."))
    units = _units(environments)
    assets = [_asset(one, units, notes) for one in shells]
    parents = _parents(shells, notes)
    levels = fit_levels({asset.code: asset.level for asset in assets}, parents, notes)
    placed = tuple(
        replace(asset, parent=parents.get(asset.code), level=levels[asset.code]) for asset in assets
    )
    points = tuple(
        point
        for one in shells
        for submodel in one.with_semantics({TIME_SERIES})
        for point in read_series(submodel, one.code, units, notes)
    )
    graph = read_graph_parts(rest, units, notes)
    model = PlantModel(
        placed,
        _unique((*points, *graph.points), notes),
        tuple(graph.entities),
        tuple(graph.relations),
    )
    return ImportedModel(model, notes.notes())


def _shells(
    environments: Sequence[aas.Environment], notes: NoteCollector
) -> tuple[list[_Shell], list[aas.Submodel]]:
    """Return the shells with their submodels, and the submodels of the whole plant.

    Other submodels of no shell are noted.
    """
    shells: dict[str, _Shell] = {}
    submodels: dict[str, aas.Submodel] = {}
    for environment in environments:
        for shell in environment.asset_administration_shells or ():
            code = _code(shell)
            if code in shells:
                notes.add(NoteCode.CODE_REPLACED, code)
                code = shell.id
            shells[code] = _Shell(code, shell)
        submodels.update({one.id: one for one in environment.submodels or ()})
    unused = set(submodels)
    for one in shells.values():
        for reference in one.shell.submodels or ():
            if submodel := submodels.get(reference_value(reference)):
                one.submodels.append(submodel)
                unused.discard(submodel.id)
    rest = [submodels[name] for name in sorted(unused) if semantics(submodels[name]) in GRAPH_PARTS]
    unused -= {one.id for one in rest}
    for identifier in sorted(unused):
        notes.add(NoteCode.ELEMENT_SKIPPED, submodels[identifier].id_short or identifier)
    return list(shells.values()), rest


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
    for submodel in one.submodels:
        if semantics(submodel) not in {*STRUCTURES, TIME_SERIES}:
            types |= read_classes(submodel)
            read_properties(submodel, properties, units, notes)
        elif semantics(submodel) == TIME_SERIES:
            properties |= read_segments(submodel)
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
        for submodel in one.with_semantics(STRUCTURES):
            for child, parent in read_parents(submodel, by_id, one.code, notes):
                if parents.setdefault(child, parent) != parent:
                    notes.add(NoteCode.RELATION_SKIPPED, f"{parent} -> {child}")
        stated = extension(one.shell, "parent")
        if stated in codes:
            parents.setdefault(one.code, stated)
    return without_cycles(parents, notes)


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
