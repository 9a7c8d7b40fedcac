"""Elements of submodels, with all modifiers of the AAS API."""

from collections.abc import Mapping
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
    read_page,
)
from gateway.api.plant_aas.submodels import MODIFIERS
from gateway.call.values import Principal
from gateway.plant.aas_api.errors import AasNotFound
from gateway.plant.aas_api.modifiers import (
    element_paths,
    elements_of,
    find_element,
    metadata,
    named_value,
    paths,
    reference_to,
    without_depth,
)
from gateway.plant.aas_api.parameters import API_PATH, PageRequest, decode_id, page_of
from gateway.plant.aas_repositories import AasRepositories

_OWNERS = ("/submodels/{submodel:str}", "/shells/{shell:str}/submodels/{submodel:str}")
_ELEMENTS = tuple(f"{owner}/submodel-elements" for owner in _OWNERS)


class AasElementRoutes(Controller):
    """The elements of submodels, which a request reaches with or without their shell."""

    path = API_PATH
    include_in_schema = False

    @get([f"{path}{modifier}" for path in _ELEMENTS for modifier in MODIFIERS])
    async def list_elements(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        submodel: FromPath[str],
        shell: FromPath[str | None] = None,
    ) -> Response[bytes]:
        """Return a page of a submodel's elements. Raises AasNotFound, AasParameterInvalid."""
        page, detail = read_page(request), read_detail(request)
        found = await _find(aas_repositories, principal, shell, submodel)
        return _page_of_elements(found, page, modifier_of(request), detail)

    @get([f"{path}/{{element:str}}{modifier}" for path in _ELEMENTS for modifier in MODIFIERS])
    async def element(
        self,
        request: AnyRequest,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        submodel: FromPath[str],
        element: FromPath[str],
        shell: FromPath[str | None] = None,
    ) -> Response[bytes]:
        """Return the element at an idShort path. Raises AasNotFound, AasParameterInvalid."""
        detail = read_detail(request)
        found = await _find(aas_repositories, principal, shell, submodel)
        return json_response(_render(found, element, modifier_of(request), detail))

    @get([f"{path}/{{element:str}}/attachment" for path in _ELEMENTS])
    async def attachment(
        self,
        principal: NamedDependency[Principal],
        aas_repositories: NamedDependency[AasRepositories],
        submodel: FromPath[str],
        element: FromPath[str],
        shell: FromPath[str | None] = None,
    ) -> Response[bytes]:
        """Raise AasNotFound: elements have no files. Raises AasParameterInvalid."""
        find_element(await _find(aas_repositories, principal, shell, submodel), element)
        raise AasNotFound("The element has no file.", param="idShortPath")


async def _find(
    repositories: AasRepositories, principal: Principal, shell: str | None, submodel: str
) -> dict[str, Any]:
    """Return a submodel by its encoded id and that of its shell, if the request names it."""
    identifier = decode_id(submodel, "submodelIdentifier")
    owner = None if shell is None else decode_id(shell, "aasIdentifier")
    repository = await repositories.get(principal.account_id)
    if owner is None:
        return repository.submodel(identifier)
    return repository.submodel_of(owner, identifier)


def _page_of_elements(
    submodel: dict[str, Any], page: PageRequest, modifier: str, detail: Detail
) -> Response[bytes]:
    """Return a page of a submodel's elements; paths are counted one by one."""
    elements = elements_of(submodel)
    if modifier == "$path":
        shown = submodel if detail.deep else without_depth(submodel)
        return page_response(*page_of(list(paths(shown, "")), page, str))

    def render(element: Mapping[str, Any]) -> Any:
        """Return an element of the page."""
        return _render(submodel, element["idShort"], modifier, detail)

    return page_response(*page_of(elements, page, render))


def _render(submodel: Mapping[str, Any], path: str, modifier: str, detail: Detail) -> Any:
    """Return an element in the form of a modifier."""
    element = find_element(submodel, path)
    shown = element if detail.deep else without_depth(element)
    match modifier:
        case "$metadata":
            return metadata(element)
        case "$value":
            return named_value(shown)
        case "$reference":
            return reference_to(submodel, path)
        case "$path":
            return element_paths(shown, path)
        case _:
            return shown
