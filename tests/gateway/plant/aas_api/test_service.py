"""The AAS API of a running gateway, checked by the IDTA's test engine and by hand."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from gateway.plant.aas_api.parameters import API_PATH, encode_id
from gateway.plant.aas_repositories import AasRepositories
from gateway.plant.assets.values import PlantModel
from gateway.tables.plant import PlantAsset, PlantPoint, PlantRevision
from infra import ids
from infra.database.database import Database
from tests.support import builders
from tests.support.aas_engine import check_service
from tests.support.builders import Gateway
from tests.support.nightly import at_length
from tests.support.plants import pump_station

PROFILE = "https://admin-shell.io/aas/API/3/0/{}ServiceSpecification/SSP-002"
# The plant has neither files nor pictures, so its submodels lack some kinds of elements. Of one
# operation the engine never reads the cursor that it asks for.
EXPECTED = (
    "No such element present",
    "No submodel element of type 'File' found, skipping test.",
    "GetAllSubmodelElements-Reference: Cannot check pagination, there must be at least 2 entities",
)


async def store(database: Database, account_id: UUID, model: PlantModel) -> None:
    """Store assets and points of a model, as an import does."""
    now = builders.SystemClock().now()
    rows = {asset.code: ids.new_id() for asset in model.assets}
    async with database.transaction() as session:
        for asset in model.assets:
            session.add(
                PlantAsset(
                    id=rows[asset.code],
                    account_id=account_id,
                    parent_id=rows.get(asset.parent or ""),
                    level=asset.level,
                    code=asset.code,
                    name=asset.name,
                    types=dict(asset.types),
                    properties={
                        name: {
                            "value": value.value,
                            "unit": value.unit,
                            "semantic_id": value.semantic_id,
                        }
                        for name, value in asset.properties.items()
                    },
                    global_id=asset.global_id,
                    source="manual",
                    created_at=now,
                    updated_at=now,
                )
            )
            await session.flush()
        for point in model.points:
            concept = point.concept
            session.add(
                PlantPoint(
                    id=ids.new_id(),
                    account_id=account_id,
                    asset_id=rows.get(point.asset or ""),
                    tag=point.tag,
                    name=point.name,
                    unit=point.unit,
                    data_type=point.data_type,
                    low=point.low,
                    high=point.high,
                    concept_scheme=concept.scheme if concept else "",
                    concept_id=concept.id if concept else "",
                    mapping_status="confirmed" if concept else "unmapped",
                    source="manual",
                    created_at=now,
                    updated_at=now,
                )
            )


@pytest.fixture(scope="module")
async def plant(shared_gateway: Gateway) -> Gateway:
    """A gateway whose account has a pump station."""
    account_id = shared_gateway.account.id
    await store(shared_gateway.parts.database, account_id, pump_station())
    return shared_gateway


SERVICES = ["AssetAdministrationShellRepository", "SubmodelRepository"]


@pytest.mark.parametrize("service", at_length(SERVICES, SERVICES[:1]))
async def test_test_engine_has_no_findings(plant: Gateway, service: str) -> None:
    found, rejected, accepted = await asyncio.to_thread(
        check_service,
        f"{plant.url}{API_PATH}",
        plant.key.secret,
        PROFILE.format(service),
        EXPECTED,
    )
    assert found == []
    assert rejected > 20
    assert accepted > 20


def shell_of(account: Any, code: str) -> str:
    """The encoded id of the shell of an asset."""
    return encode_id(f"urn:maas:{account.id.hex}:aas:{code}")


async def get(plant: Gateway, path: str, **parameters: str) -> Any:
    """The JSON of a successful request."""
    answer = await plant.http.get(f"{API_PATH}{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_shells_are_paged_by_cursor(plant: Gateway) -> None:
    found, cursor = [], {}
    while True:
        page = await get(plant, "/shells", limit="2", **cursor)
        found += [shell["idShort"] for shell in page["result"]]
        if not (cursor := page["paging_metadata"]):
            break
    assert found == ["P_1", "Pump_2", "S1"]


async def test_discovery_finds_the_shell_of_an_asset_id(plant: Gateway) -> None:
    asset_id = encode_id('{"name": "code", "value": "P-1"}')
    found = (await get(plant, "/lookup/shells", assetIds=asset_id))["result"]
    assert [encode_id(one) for one in found] == [shell_of(plant.account, "P-1")]
    ids_of = await get(plant, f"/lookup/shells/{encode_id(found[0])}")
    assert {"name": "globalAssetId", "value": "https://pumps.example/p1"} in ids_of


async def test_registry_names_the_addresses_of_shell_and_submodels(plant: Gateway) -> None:
    shell = shell_of(plant.account, "P-1")
    descriptor = await get(plant, f"/shell-descriptors/{shell}")
    address = descriptor["endpoints"][0]["protocolInformation"]["href"]
    assert address.endswith(f"{API_PATH}/shells/{shell}")
    names = [one["idShort"] for one in descriptor["submodelDescriptors"]]
    assert names == ["Nameplate", "TechnicalData", "TimeSeries"]
    of_shell = await get(plant, f"/shell-descriptors/{shell}/submodel-descriptors")
    assert of_shell["result"] == descriptor["submodelDescriptors"]
    one = encode_id(descriptor["submodelDescriptors"][0]["id"])
    assert (await get(plant, f"/submodel-descriptors/{one}"))["idShort"] == "Nameplate"
    listed = (await get(plant, "/submodel-descriptors", limit="1"))["result"]
    assert listed == descriptor["submodelDescriptors"][:1]


async def test_value_of_an_element_is_returned_by_its_path(plant: Gateway) -> None:
    submodel = encode_id(f"urn:maas:{plant.account.id.hex}:submodel:nameplate:P-1")
    path = f"/submodels/{submodel}/submodel-elements/ContactInformation.CityTown/$value"
    assert await get(plant, path) == {"CityTown": [{"en": "Hangzhou"}]}


async def test_submodels_are_filtered_by_semantic_id(plant: Gateway) -> None:
    semantic_id = encode_id("https://admin-shell.io/idta/TimeSeries/1/1")
    found = (await get(plant, "/submodels", semanticId=semantic_id))["result"]
    assert [one["idShort"] for one in found] == ["TimeSeries", "TimeSeries"]


async def test_linked_segment_has_the_address_of_readings(plant: Gateway) -> None:
    submodel = encode_id(f"urn:maas:{plant.account.id.hex}:submodel:time-series:P-1")
    values = await get(plant, f"/submodels/{submodel}/$value")
    segment = values["Segments"]["LinkedSegment01"]
    assert segment["Endpoint"].endswith("/v1/plant/readings")
    assert segment["Query"] == "point=S1.P1.On&point=S1.P1.T"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/shells/!!!", 400),
        ("/shells?limit=0", 400),
        ("/submodels?level=high", 400),
        (f"/shells/{encode_id('urn:unknown')}", 404),
        (f"/submodels/{encode_id('urn:unknown')}/$value", 404),
        (f"/serialization?aasIds={encode_id('urn:unknown')}", 404),
        ("/unknown", 404),
    ],
)
async def test_error_has_the_shape_of_the_specification(
    plant: Gateway, path: str, status: int
) -> None:
    answer = await plant.http.get(f"{API_PATH}{path}")
    assert answer.status_code == status
    (message,) = answer.json()["messages"]
    assert message["messageType"] == "Error"
    assert set(message) == {"code", "messageType", "text"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_changed(plant: Gateway, method: str) -> None:
    answer = await plant.http.request(method, f"{API_PATH}/shells", json={})
    assert answer.status_code == 405


async def test_key_is_required(plant: Gateway) -> None:
    async with builders.client(plant.url, {}) as http:
        for path in ("/shells", "/description", "/lookup/shells"):
            assert (await http.get(f"{API_PATH}{path}")).status_code == 401


async def test_plant_of_another_account_is_not_found(plant: Gateway) -> None:
    shell = shell_of(plant.account, "P-1")
    submodel = encode_id(f"urn:maas:{plant.account.id.hex}:submodel:nameplate:P-1")
    single = (
        f"/shells/{shell}",
        f"/shells/{shell}/$reference",
        f"/shells/{shell}/asset-information",
        f"/shells/{shell}/submodel-refs",
        f"/shells/{shell}/submodels/{submodel}",
        f"/shells/{shell}/submodels/{submodel}/submodel-elements",
        f"/submodels/{submodel}",
        f"/submodels/{submodel}/$value",
        f"/submodels/{submodel}/submodel-elements/SerialNumber",
        f"/shell-descriptors/{shell}",
        f"/shell-descriptors/{shell}/submodel-descriptors",
        f"/submodel-descriptors/{submodel}",
        f"/lookup/shells/{shell}",
        f"/serialization?aasIds={shell}",
    )
    lists = ("/shells", "/submodels", "/shell-descriptors", "/submodel-descriptors")
    _, other = await builders.customer(plant.parts.database, plant.parts.settings, "Other")
    await plant.caught_up()
    headers = {"authorization": f"Bearer {other.secret}"}
    async with builders.client(plant.url, headers) as http:
        for path in single:
            assert (await plant.http.get(f"{API_PATH}{path}")).status_code == 200, path
            assert (await http.get(f"{API_PATH}{path}")).status_code == 404, path
        for path in (*lists, "/lookup/shells"):
            assert (await http.get(f"{API_PATH}{path}")).json()["result"] == [], path


async def test_repository_is_rebuilt_when_the_plant_changes(plant: Gateway) -> None:
    account, _ = await builders.customer(plant.parts.database, plant.parts.settings, "Changing")
    repositories = AasRepositories(plant.parts.database, "https://maas.example")
    await set_revision(plant.parts.database, account.id, 1)
    first = await repositories.get(account.id)
    assert await repositories.get(account.id) is first
    await set_revision(plant.parts.database, account.id, 2)
    assert await repositories.get(account.id) is not first


async def set_revision(database: Database, account_id: UUID, revision: int) -> None:
    """Set the revision of an account's plant."""
    async with database.transaction() as session:
        await session.merge(PlantRevision(account_id=account_id, revision=revision))
