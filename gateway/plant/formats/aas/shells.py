"""Shells and submodels of the assets of a plant model, each built when it is asked for."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, PlantModel, Point
from gateway.plant.formats.aas import nameplate, structure, technical_data, time_series
from gateway.plant.formats.aas.elements import extensions, submodel_reference
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import (
    NAMEPLATE,
    STRUCTURE,
    TECHNICAL_DATA,
    TIME_SERIES,
)
from gateway.plant.formats.aas.texts import display_name, id_short

DEFAULT_READINGS_URL = "/v1/plant/readings"
# The idShort and the semantic id of the submodels by kind.
SUBMODEL_KINDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        nameplate.KIND: ("Nameplate", NAMEPLATE),
        technical_data.KIND: ("TechnicalData", TECHNICAL_DATA),
        time_series.KIND: ("TimeSeries", TIME_SERIES),
        structure.KIND: ("HierarchicalStructures", STRUCTURE),
    }
)


class PlantShells:
    """The shells of a model's assets in the order of their codes, and their submodels."""

    def __init__(
        self, model: PlantModel, namespace: Namespace, readings_url: str = DEFAULT_READINGS_URL
    ) -> None:
        self._namespace = namespace
        self._readings_url = readings_url
        self._assets = {asset.code: asset for asset in sorted(model.assets, key=_code)}
        self._points: dict[str, list[Point]] = defaultdict(list)
        self._parts: dict[str, list[Asset]] = defaultdict(list)
        for point in sorted(model.points, key=_tag):
            self._points[point.asset or ""].append(point)
        for asset in self._assets.values():
            self._parts[asset.parent or ""].append(asset)
        self._builders: Mapping[str, Callable[[Asset], aas.Submodel | None]] = {
            nameplate.KIND: self._nameplate,
            technical_data.KIND: self._technical_data,
            time_series.KIND: self._time_series,
            structure.KIND: self._structure,
        }

    @property
    def assets(self) -> Mapping[str, Asset]:
        """The assets by code, sorted by code."""
        return self._assets

    @property
    def namespace(self) -> Namespace:
        """The ids of shells and submodels."""
        return self._namespace

    def shell(self, asset: Asset) -> aas.AssetAdministrationShell:
        """Return the shell of an asset with references to its submodels."""
        information = aas.AssetInformation(
            aas.AssetKind.INSTANCE,
            structure.global_asset_id(asset, self._namespace),
            [aas.SpecificAssetID("code", asset.code)],
        )
        return aas.AssetAdministrationShell(
            self._namespace.shell(asset.code),
            information,
            extensions=extensions(
                name=asset.name if asset.name and len(asset.name) > 128 else None,
                level=asset.level,
                parent=asset.parent,
            ),
            id_short=id_short(asset.code),
            display_name=display_name(asset.name),
            submodels=self._references(asset) or None,
        )

    def submodels(self, asset: Asset) -> list[aas.Submodel]:
        """Return all submodels of an asset."""
        built = (build(asset) for build in self._builders.values())
        return [submodel for submodel in built if submodel is not None]

    def submodel_ids(self, asset: Asset) -> list[str]:
        """Return the ids of all submodels of an asset."""
        return list(self.submodel_ids_by_kind(asset).values())

    def submodel_ids_by_kind(self, asset: Asset) -> dict[str, str]:
        """Return the ids of all submodels of an asset by kind, without building them."""
        paths = nameplate.nameplate_properties(asset)
        complete = nameplate.is_complete(paths, asset)
        on_nameplate = len(paths) if complete else 0
        present = {
            nameplate.KIND: complete,
            technical_data.KIND: bool(asset.types) or len(asset.properties) > on_nameplate,
            time_series.KIND: asset.code in self._points,
            structure.KIND: asset.code in self._parts,
        }
        return {
            kind: self._namespace.submodel(kind, asset.code)
            for kind in self._builders
            if present[kind]
        }

    def find_submodel(self, identifier: str) -> aas.Submodel | None:
        """Return a submodel by its id, None if there is none."""
        parsed = self._namespace.parse_submodel(identifier)
        if parsed is None or parsed[0] not in self._builders or parsed[1] not in self._assets:
            return None
        return self._builders[parsed[0]](self._assets[parsed[1]])

    def find_asset(self, shell_id: str) -> Asset | None:
        """Return an asset by the id of its shell, None if there is none."""
        code = self._namespace.parse_shell(shell_id)
        return self._assets.get(code) if code is not None else None

    def has_incomplete_nameplate(self, asset: Asset) -> bool:
        """Return whether some but not all values of a nameplate are known."""
        paths = nameplate.nameplate_properties(asset)
        return bool(paths) and not nameplate.is_complete(paths, asset)

    def _references(self, asset: Asset) -> list[aas.Reference]:
        """Return references to the submodels of an asset."""
        return [submodel_reference(identifier) for identifier in self.submodel_ids(asset)]

    def _nameplate(self, asset: Asset) -> aas.Submodel | None:
        """Return the nameplate of an asset, None without all required values."""
        paths = nameplate.nameplate_properties(asset)
        if not nameplate.is_complete(paths, asset):
            return None
        return nameplate.build_nameplate(asset, paths, self._namespace)

    def _without_nameplate(self, asset: Asset) -> Asset:
        """Return the asset without the properties on its nameplate, if it has one."""
        paths = nameplate.nameplate_properties(asset)
        complete = nameplate.is_complete(paths, asset)
        return nameplate.without_nameplate(asset, paths) if complete else asset

    def _technical_data(self, asset: Asset) -> aas.Submodel | None:
        """Return classes and properties of an asset."""
        rest = self._without_nameplate(asset)
        return technical_data.build_technical_data(rest, self._namespace)

    def _time_series(self, asset: Asset) -> aas.Submodel | None:
        """Return the points of an asset."""
        points = self._points.get(asset.code, [])
        return time_series.build_time_series(asset, points, self._namespace, self._readings_url)

    def _structure(self, asset: Asset) -> aas.Submodel | None:
        """Return the parts of an asset."""
        return structure.build_structure(asset, self._parts.get(asset.code, []), self._namespace)


def _tag(point: Point) -> str:
    """Return the tag of a point, by which the points of an asset are sorted."""
    return point.tag


def _code(asset: Asset) -> str:
    """Return the code of an asset, by which lists are sorted."""
    return asset.code
