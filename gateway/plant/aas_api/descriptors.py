"""Descriptors of shells and submodels, as registries return them."""

from collections.abc import Mapping
from typing import Any

from gateway.plant.aas_api.parameters import encode_id

Json = dict[str, Any]


def shell_descriptor(shell: Mapping[str, Any], submodels: list[Json], base_url: str) -> Json:
    """Return the descriptor of a shell; `base_url` is the address of the API."""
    information = shell["assetInformation"]
    kept = {key: shell[key] for key in ("id", "idShort", "displayName") if key in shell}
    address = f"{base_url}/shells/{encode_id(shell['id'])}"
    return {
        **kept,
        "assetKind": information["assetKind"],
        "globalAssetId": information["globalAssetId"],
        "specificAssetIds": information["specificAssetIds"],
        "endpoints": [_endpoint("AAS-3.0", address)],
        **({"submodelDescriptors": submodels} if submodels else {}),
    }


def submodel_descriptor(identifier: str, name: str, semantic_id: str, base_url: str) -> Json:
    """Return the descriptor of a submodel; `base_url` is the address of the API."""
    address = f"{base_url}/submodels/{encode_id(identifier)}"
    return {
        "id": identifier,
        "idShort": name,
        "semanticId": {
            "type": "ExternalReference",
            "keys": [{"type": "GlobalReference", "value": semantic_id}],
        },
        "endpoints": [_endpoint("SUBMODEL-3.0", address)],
    }


def _endpoint(interface: str, address: str) -> Json:
    """Return the endpoint of a shell or submodel."""
    return {
        "interface": interface,
        "protocolInformation": {"href": address, "endpointProtocol": "HTTP"},
    }
