"""Submodels of the repository and of shells, with all modifiers of the AAS API."""

import asyncio
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.plant_aas.requests import (
    AnyRequest,
    Detail,
    json_response,
    modifier_of,
    page_response,
    read_detail,
    read_id_short,
    read_page,
    read_semantic_id,
)
from gateway.call.values import Principal
from gateway.plant.aas_api.modifiers import metadata, paths, reference_to, value_of, without_depth
from gateway.plant.aas_api.parameters import API_PATH, decode_id
from gateway.plant.aas_repositories import AasRepositories

MODIFIERS = ("", "/$metadata", "/$value", "/$reference", "/$path")


class AasSubmodelRoutes(Controller):
    """The submodels of the account's shells."""

    path = API_PATH
    include_in_schema = False

    @get([f"/submodels{modifier}" for modifier in MODIFIERS])
    async def list_submodels(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
    ) -> Response[bytes]:
        """Return a page of submodels. Raises AasParameterInvalid."""
        page, detail = read_page(request), read_detail(request)
        name, semantic_id = read_id_short(request), read_semantic_id(request)
        repository = await aas_repositories.get(principal.account_id)
        modifier = modifier_of(request)
        if modifier == "$path":
            found = await asyncio.to_thread(
                repository.list_paths, page, name, semantic_id, detail.deep
            )
            return page_response(*found)
        submodels, paging = await asyncio.to_thread(
            repository.list_submodels, page, name, semantic_id
        )
        return page_response([_render(one, modifier, detail) for one in submodels], paging)

    @get([f"/submodels/{{submodel:str}}{modifier}" for modifier in MODIFIERS])
    async def submodel(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        submodel: FromPath[str],
    ) -> Response[bytes]:
        """Return a submodel. Raises AasNotFound, AasParameterInvalid."""
        detail, identifier = read_detail(request), decode_id(submodel, "submodelIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        found = repository.submodel(identifier)
        return json_response(_render(found, modifier_of(request), detail))

    @get([f"/shells/{{shell:str}}/submodels/{{submodel:str}}{modifier}" for modifier in MODIFIERS])
    async def submodel_of_shell(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
        submodel: FromPath[str],
    ) -> Response[bytes]:
        """Return a submodel of a shell. Raises AasNotFound, AasParameterInvalid."""
        detail, identifier = read_detail(request), decode_id(submodel, "submodelIdentifier")
        owner = decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        found = repository.submodel_of(owner, identifier)
        return json_response(_render(found, modifier_of(request), detail))


def _render(submodel: dict[str, Any], modifier: str, detail: Detail) -> Any:
    """Return a submodel in the form of a modifier."""
    shown = submodel if detail.deep else without_depth(submodel)
    match modifier:
        case "$metadata":
            return metadata(submodel)
        case "$value":
            return value_of(shown)
        case "$reference":
            return reference_to(submodel)
        case "$path":
            return list(paths(shown, ""))
        case _:
            return shown
