"""What the handlers of the AAS API have in common: query parameters and JSON responses."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response

from gateway.plant.aas_api.errors import AasParameterInvalid
from gateway.plant.aas_api.parameters import (
    AssetIdFilter,
    PageRequest,
    check_choice,
    decode_id,
    parse_asset_ids,
    parse_page,
)

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a submodel or element is returned. `deep` includes lower levels."""

    deep: bool


def read_page(request: AnyRequest) -> PageRequest:
    """Return the page that `limit` and `cursor` ask for. Raises AasParameterInvalid."""
    return parse_page(_one(request, "limit"), _one(request, "cursor"))


def read_detail(request: AnyRequest) -> Detail:
    """Return the detail that `level` and `extent` ask for; there are no blobs.

    Raises AasParameterInvalid.
    """
    check_choice(_one(request, "extent"), ("withoutBlobValue", "withBlobValue"), "extent")
    return Detail(check_choice(_one(request, "level"), ("deep", "core"), "level") == "deep")


def read_id_short(request: AnyRequest) -> str | None:
    """Return the filter `idShort`, None if there is none."""
    return _one(request, "idShort")


def read_asset_ids(request: AnyRequest) -> list[AssetIdFilter]:
    """Return the filters `assetIds`. Raises AasParameterInvalid."""
    return parse_asset_ids(request.query_params.getall("assetIds", []))


def read_semantic_id(request: AnyRequest) -> str | None:
    """Return the filter `semanticId`: the base64url of a reference, or of an id alone.

    Raises AasParameterInvalid.
    """
    text = _one(request, "semanticId")
    if text is None:
        return None
    decoded = decode_id(text, "semanticId")
    if not decoded.startswith("{"):
        return decoded
    try:
        return str(json.loads(decoded)["keys"][-1]["value"])
    except (ValueError, LookupError, TypeError, RecursionError):
        raise AasParameterInvalid(
            "`semanticId` must be the base64url of a reference.", param="semanticId"
        ) from None


def read_ids(request: AnyRequest, name: str) -> list[str] | None:
    """Return the encoded ids of a parameter, None without the parameter.

    Raises AasParameterInvalid.
    """
    texts = request.query_params.getall(name, [])
    ids = [decode_id(one, name) for text in texts for one in text.split(",") if one]
    return ids or None


def modifier_of(request: AnyRequest) -> str:
    """Return the modifier at the end of the path, such as `$value`, or an empty text."""
    last = request.url.path.rpartition("/")[2]
    return last if last.startswith("$") else ""


def read_flag(request: AnyRequest, name: str) -> str | None:
    """Return the text of a Boolean parameter, None without it."""
    return _one(request, name)


def json_response(value: Any) -> Response[bytes]:
    """Return a JSON response."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def page_response(result: Any, metadata: Any) -> Response[bytes]:
    """Return a page of a list with its paging metadata."""
    return json_response({"paging_metadata": metadata, "result": result})


def _one(request: AnyRequest, name: str) -> str | None:
    """Return the first value of a query parameter, None without it."""
    values = request.query_params.getall(name, [])
    return values[0] if values else None
