"""Shells of the repository, and the list of shells by asset ids (discovery)."""

import asyncio
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.plant_aas.requests import (
    AnyRequest,
    json_response,
    modifier_of,
    page_response,
    read_asset_ids,
    read_id_short,
    read_page,
)
from gateway.call.values import Principal
from gateway.plant.aas_api.errors import AasNotFound
from gateway.plant.aas_api.parameters import API_PATH, decode_id
from gateway.plant.aas_repositories import AasRepositories

_SHELL = "/shells/{shell:str}"


class AasShellRoutes(Controller):
    """The account's shells; one of another account is reported as not found."""

    path = API_PATH
    include_in_schema = False

    @get(["/shells", "/shells/$reference"])
    async def list_shells(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
    ) -> Response[bytes]:
        """Return a page of shells or of references to them. Raises AasParameterInvalid."""
        page, name, ids = read_page(request), read_id_short(request), read_asset_ids(request)
        repository = await aas_repositories.get(principal.account_id)
        shells, metadata = await asyncio.to_thread(repository.list_shells, page, name, ids)
        return page_response(_with_modifier(shells, modifier_of(request)), metadata)

    @get([_SHELL, f"{_SHELL}/$reference"])
    async def shell(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Return a shell or a reference to it. Raises AasNotFound, AasParameterInvalid."""
        identifier = decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        found = [repository.shell(identifier)]
        return json_response(_with_modifier(found, modifier_of(request))[0])

    @get(f"{_SHELL}/asset-information")
    async def asset_information(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Return the ids of a shell's asset. Raises AasNotFound, AasParameterInvalid."""
        identifier = decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        return json_response(repository.shell(identifier)["assetInformation"])

    @get(f"{_SHELL}/asset-information/thumbnail")
    async def thumbnail(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Raise AasNotFound: assets have no pictures. Raises AasParameterInvalid."""
        identifier = decode_id(shell, "aasIdentifier")
        (await aas_repositories.get(principal.account_id)).shell(identifier)
        raise AasNotFound("The asset has no thumbnail.", param="aasIdentifier")

    @get(f"{_SHELL}/submodel-refs")
    async def submodel_references(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Return a page of a shell's references. Raises AasNotFound, AasParameterInvalid."""
        page, identifier = read_page(request), decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        return page_response(*repository.submodel_references(identifier, page))

    @get("/lookup/shells")
    async def find_shells(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
    ) -> Response[bytes]:
        """Return a page of the ids of shells by asset ids. Raises AasParameterInvalid."""
        page, ids = read_page(request), read_asset_ids(request)
        repository = await aas_repositories.get(principal.account_id)
        return page_response(*repository.shell_ids(page, ids))

    @get("/lookup/shells/{shell:str}")
    async def find_asset_ids(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        shell: FromPath[str],
    ) -> Response[bytes]:
        """Return the asset ids of a shell. Raises AasNotFound, AasParameterInvalid."""
        identifier = decode_id(shell, "aasIdentifier")
        repository = await aas_repositories.get(principal.account_id)
        return json_response(repository.asset_ids(identifier))


def _with_modifier(shells: list[dict[str, Any]], modifier: str) -> list[Any]:
    """Return shells, or references to them for `$reference`."""
    if modifier != "$reference":
        return shells
    return [
        {
            "type": "ModelReference",
            "keys": [{"type": "AssetAdministrationShell", "value": shell["id"]}],
        }
        for shell in shells
    ]
