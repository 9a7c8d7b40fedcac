"""The registry of the AAS API: descriptors of shells and submodels; description, serialization."""

import asyncio
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.plant_aas.requests import (
    AnyRequest,
    json_response,
    page_response,
    read_flag,
    read_ids,
    read_page,
)
from gateway.call.values import Principal
from gateway.plant.aas_api.parameters import API_PATH, decode_id, parse_flag
from gateway.plant.aas_repositories import AasRepositories

_PROFILE = "https://admin-shell.io/aas/API/3/0/{}ServiceSpecification/{}"
PROFILES = (
    _PROFILE.format("AssetAdministrationShellRepository", "SSP-002"),
    _PROFILE.format("SubmodelRepository", "SSP-002"),
    _PROFILE.format("AssetAdministrationShellRegistry", "SSP-002"),
    _PROFILE.format("SubmodelRegistry", "SSP-002"),
)
_SHELL = "/shell-descriptors/{shell:str}"


class AasRegistryRoutes(Controller):
    """Where the account's shells and submodels can be read, and what the API can do."""

    path = API_PATH
    include_in_schema = False

    @get("/description")
    async def description(self, principal: NamedDependency[Principal]) -> dict[str, Any]:
        """Return the profiles of the specification that this API implements."""
        return {"profiles": list(PROFILES)}

    @get("/serialization")
    async def serialization(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
    ) -> Response[bytes]:
        """Return an environment as JSON. Raises AasNotFound, AasParameterInvalid."""
        shells, submodels = read_ids(request, "aasIds"), read_ids(request, "submodelIds")
        name = "includeConceptDescriptions"
        with_concepts = parse_flag(read_flag(request, name), name)
        repository = await aas_repositories.get(principal.account_id)
        found = await asyncio.to_thread(repository.environment, shells, submodels, with_concepts)
        return json_response(found)

    @get("/shell-descriptors")
    async def shell_descriptors(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
    ) -> Response[bytes]:
        """Return a page of the descriptors of shells. Raises AasParameterInvalid."""
        page = read_page(request)
        repository = await aas_repositories.get(principal.account_id)
        return page_response(*await asyncio.to_thread(repository.shell_descriptors, page))

    @get(_SHELL)
    async def shell_descriptor(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Return the descriptor of a shell. Raises AasNotFound, AasParameterInvalid."""
        identifier = decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        return json_response(repository.shell_descriptor(identifier))

    @get([f"{_SHELL}/submodel-descriptors", "/submodel-descriptors"])
    async def submodel_descriptors(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str | None] = None,
    ) -> Response[bytes]:
        """Return a page of the descriptors of submodels, of all shells or of one.

        Raises AasNotFound, AasParameterInvalid.
        """
        page = read_page(request)
        owner = None if shell is None else decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        return page_response(*repository.submodel_descriptors(page, owner))

    @get(
        [f"{_SHELL}/submodel-descriptors/{{submodel:str}}", "/submodel-descriptors/{submodel:str}"]
    )
    async def submodel_descriptor(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        submodel: FromPath[str],
        shell: FromPath[str | None] = None,
    ) -> Response[bytes]:
        """Return the descriptor of a submodel. Raises AasNotFound, AasParameterInvalid."""
        identifier = decode_id(submodel, "submodelIdentifier")
        owner = None if shell is None else decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        if owner is not None:
            repository.submodel_of(owner, identifier)
        return json_response(repository.submodel_descriptor(identifier))
