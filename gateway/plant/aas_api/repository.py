"""The shells and submodels of one account, as the AAS API lists and finds them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import aas_core3.jsonization as jsonization
import aas_core3.types as aas

from gateway.plant.aas_api.descriptors import shell_descriptor, submodel_descriptor
from gateway.plant.aas_api.errors import AasNotFound, AasParameterInvalid
from gateway.plant.aas_api.modifiers import concepts_of, paths, without_depth
from gateway.plant.aas_api.parameters import (
    MAX_LIMIT,
    AssetIdFilter,
    PageRequest,
    next_page,
    page_of,
)
from gateway.plant.assets.values import Asset
from gateway.plant.formats.aas.shells import SUBMODEL_KINDS, PlantShells
from gateway.plant.formats.aas.structure import global_asset_id
from gateway.plant.formats.aas.texts import id_short

Json = dict[str, Any]
# More than there are elements in a submodel.
_MAX_PATHS = 10**6

Page = tuple[list[Json], Json]


class AasRepository:
    """Shells and submodels as JSON objects of the metamodel 3.0; each is built on request.

    Methods may be called in several threads, as nothing is changed.

    `base_url` is the address of the API, for the endpoints of descriptors.
    """

    def __init__(self, shells: PlantShells, base_url: str) -> None:
        self._shells = shells
        self._base_url = base_url
        self._assets = list(shells.assets.values())

    def list_shells(
        self, page: PageRequest, name: str | None, asset_ids: Sequence[AssetIdFilter]
    ) -> Page:
        """Return a page of shells, and its paging metadata; all filters must match."""
        return page_of(self._find_assets(name, asset_ids), page, self._shell_json)

    def shell(self, identifier: str) -> Json:
        """Return a shell. Raises AasNotFound."""
        return self._shell_json(self._asset(identifier))

    def submodel_references(self, identifier: str, page: PageRequest) -> Page:
        """Return a page of the references of a shell to its submodels. Raises AasNotFound."""
        references = self.shell(identifier).get("submodels", [])
        return page_of(references, page, dict)

    def shell_ids(
        self, page: PageRequest, asset_ids: Sequence[AssetIdFilter]
    ) -> tuple[list[str], Json]:
        """Return a page of the ids of shells whose assets have all of these ids."""
        found = self._find_assets(None, asset_ids)
        return page_of(found, page, lambda asset: self._shells.namespace.shell(asset.code))

    def asset_ids(self, identifier: str) -> list[Json]:
        """Return the ids of the asset of a shell as specific asset ids. Raises AasNotFound."""
        asset = self._asset(identifier)
        return [{"name": name, "value": value} for name, value in self._ids_of(asset).items()]

    def list_submodels(
        self, page: PageRequest, name: str | None = None, semantic_id: str | None = None
    ) -> Page:
        """Return a page of submodels, and its paging metadata; both filters must match."""
        return page_of(self._find_submodels(name, semantic_id), page, self.submodel)

    def list_paths(
        self, page: PageRequest, name: str | None, semantic_id: str | None, deep: bool
    ) -> tuple[list[str], Json]:
        """Return a page of the idShort paths in all submodels, and its paging metadata.

        The start of a page is the index of a submodel and of a path in it.
        """
        found: list[str] = []
        first, offset = divmod(page.start, _MAX_PATHS)
        ids = self._find_submodels(name, semantic_id)
        for index in range(first, len(ids)):
            submodel: Mapping[str, Any] = self.submodel(ids[index])
            inside = list(paths(submodel if deep else without_depth(submodel), ""))
            taken = inside[offset : offset + page.limit - len(found)]
            found += taken
            end = offset + len(taken)
            if end < len(inside):
                return found, next_page(index * _MAX_PATHS + end)
            offset = 0
            if len(found) == page.limit:
                return found, next_page((index + 1) * _MAX_PATHS) if index + 1 < len(ids) else {}
        return found, {}

    def submodel(self, identifier: str) -> Json:
        """Return a submodel. Raises AasNotFound."""
        submodel = self._shells.find_submodel(identifier)
        if submodel is None:
            raise AasNotFound(
                f"The submodel {identifier[:200]!r} does not exist.", param="submodelIdentifier"
            )
        return _to_json(submodel)

    def submodel_of(self, shell: str, identifier: str) -> Json:
        """Return a submodel of a shell. Raises AasNotFound."""
        if identifier not in self._shells.submodel_ids(self._asset(shell)):
            raise AasNotFound(
                f"The shell has no submodel {identifier[:200]!r}.", param="submodelIdentifier"
            )
        return self.submodel(identifier)

    def shell_descriptors(self, page: PageRequest) -> Page:
        """Return a page of the descriptors of shells."""
        return page_of(self._assets, page, self._shell_descriptor)

    def shell_descriptor(self, identifier: str) -> Json:
        """Return the descriptor of a shell. Raises AasNotFound."""
        return self._shell_descriptor(self._asset(identifier))

    def submodel_descriptors(self, page: PageRequest, shell: str | None = None) -> Page:
        """Return a page of the descriptors of all submodels or of those of a shell.

        Raises AasNotFound.
        """
        ids = self._shells.submodel_ids(self._asset(shell)) if shell is not None else None
        found = self._find_submodels(None, None) if ids is None else ids
        return page_of(found, page, self._submodel_descriptor)

    def submodel_descriptor(self, identifier: str) -> Json:
        """Return the descriptor of a submodel. Raises AasNotFound."""
        self.submodel(identifier)
        return self._submodel_descriptor(identifier)

    def environment(
        self, shells: Sequence[str] | None, submodels: Sequence[str] | None, with_concepts: bool
    ) -> Json:
        """Return an environment with these shells and submodels.

        Without any id, it has all of them; with ids of one kind only, none of the other. Concepts
        are ids alone. Raises AasNotFound, AasParameterInvalid for more than MAX_LIMIT.
        """
        everything = shells is None and submodels is None
        assets = self._assets if everything else [self._asset(one) for one in shells or ()]
        ids = self._find_submodels(None, None) if everything else submodels or ()
        if max(len(assets), len(ids)) > MAX_LIMIT:
            raise AasParameterInvalid(
                f"There are more than {MAX_LIMIT} shells or submodels. Name `aasIds` and "
                "`submodelIds`.",
                param="aasIds",
            )
        found = [self.submodel(one) for one in ids]
        parts = {
            "assetAdministrationShells": [self._shell_json(one) for one in assets],
            "submodels": found,
            "conceptDescriptions": concepts_of(found) if with_concepts else [],
        }
        return {key: value for key, value in parts.items() if value}

    def _asset(self, identifier: str) -> Asset:
        """Return the asset of a shell. Raises AasNotFound."""
        asset = self._shells.find_asset(identifier)
        if asset is None:
            raise AasNotFound(
                f"The shell {identifier[:200]!r} does not exist.", param="aasIdentifier"
            )
        return asset

    def _find_assets(self, name: str | None, asset_ids: Sequence[AssetIdFilter]) -> Sequence[Asset]:
        """Return the assets whose shells have this idShort and that have all of these ids."""
        if name is None and not asset_ids:
            return self._assets
        return [
            asset
            for asset in self._assets
            if name in (None, id_short(asset.code))
            and all(self._ids_of(asset).get(one.name) == one.value for one in asset_ids)
        ]

    def _find_submodels(self, name: str | None, semantic_id: str | None) -> list[str]:
        """Return the ids of all submodels with this idShort and semantic id."""
        kinds = {
            kind
            for kind, (known_name, known_id) in SUBMODEL_KINDS.items()
            if name in (None, known_name) and semantic_id in (None, known_id)
        }
        return [
            identifier
            for asset in self._assets
            for kind, identifier in self._shells.submodel_ids_by_kind(asset).items()
            if kind in kinds
        ]

    def _ids_of(self, asset: Asset) -> dict[str, str]:
        """Return the ids of an asset by name."""
        return {
            "globalAssetId": global_asset_id(asset, self._shells.namespace),
            "code": asset.code,
        }

    def _shell_json(self, asset: Asset) -> Json:
        """Return the shell of an asset."""
        return _to_json(self._shells.shell(asset))

    def _shell_descriptor(self, asset: Asset) -> Json:
        """Return the descriptor of the shell of an asset."""
        submodels = map(self._submodel_descriptor, self._shells.submodel_ids(asset))
        return shell_descriptor(self._shell_json(asset), list(submodels), self._base_url)

    def _submodel_descriptor(self, identifier: str) -> Json:
        """Return the descriptor of a submodel by its id, which must exist."""
        parsed = self._shells.namespace.parse_submodel(identifier)
        name, semantic_id = SUBMODEL_KINDS[parsed[0] if parsed else ""]
        return submodel_descriptor(identifier, name, semantic_id, self._base_url)


def _to_json(element: aas.Class) -> Json:
    """Return an object of the metamodel as JSON."""
    return cast(Json, jsonization.to_jsonable(element))
