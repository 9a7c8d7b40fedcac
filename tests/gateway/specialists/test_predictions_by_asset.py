"""Predictions that name an asset: inputs from its points, and the verdict on the asset."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.tables import Account
from infra.clock import SystemClock
from tests.support import builders
from tests.support.builders import SPECIALIST, Gateway, customer
from tests.support.gateway.errors import error_of
from tests.support.operating_points import OVERSTRAINED
from tests.support.plant.mills import POINTS, create_mill, post, send_readings


def body(**options: Any) -> dict[str, Any]:
    values = {"type": "L"}
    return {"model": SPECIALIST, "asset": "M1", "asset_options": {"values": values, **options}}


async def test_newest_readings_of_an_asset_give_the_same_verdict_as_columns(real: Gateway) -> None:
    asset = await create_mill(real)
    await send_readings(real, SystemClock().now() - timedelta(seconds=20))
    columns = {"model": SPECIALIST, "instances": [OVERSTRAINED]}
    expected = (await post(real, "/v1/predictions", columns))["predictions"][0]
    answer = await post(real, "/v1/predictions", body())
    assert answer["predictions"][0]["failure"] == expected["failure"] == 1
    assert answer["predictions"][0]["failure_probability"] == pytest.approx(
        expected["failure_probability"], abs=1e-3
    )
    report = answer["asset"]
    assert (report["id"], report["code"]) == (asset["id"], "M1")
    inputs = {one["name"]: one for one in report["inputs"]}
    assert (inputs["type"]["origin"], inputs["type"]["value"]) == ("constant", "L")
    assert (inputs["torque"]["origin"], inputs["torque"]["tag"]) == ("name", "M1.TQ")
    assert (inputs["rotational_speed"]["tag"], inputs["tool_wear"]["tag"]) == ("M1.N", "M1.WEAR")
    assert (inputs["air_temperature"]["unit"], inputs["air_temperature"]["value"]) == (
        "degC",
        24.95,
    )
    assert 19 < inputs["torque"]["age_s"] < 120
    row = (await real.rows(3))[0]
    assert (row["operation"], row["rows"], row["settlement"]) == ("predictions", 1, "complete")
    verdicts = (await real.http.get("/v1/plant/assets/M1/verdicts")).json()["data"]
    assert [(one["request_id"], one["model"]) for one in verdicts] == [(answer["id"], SPECIALIST)]
    assert verdicts[0]["prediction"] == answer["predictions"][0]
    assert verdicts[0]["inputs"] == report["inputs"]
    assert verdicts[0]["finding"]["verdict"] == "yes"
    assert verdicts[0]["finding"]["probability"] == pytest.approx(
        expected["failure_probability"], abs=1e-3
    )


async def test_prediction_of_an_earlier_instant_uses_its_readings(real: Gateway) -> None:
    await create_mill(real)
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    worn = tuple((*point[:3], 300.0 if point[0] == "M1.TA" else point[3]) for point in POINTS)
    await send_readings(real, then)
    await send_readings(real, then + timedelta(hours=2), worn)
    at = (then + timedelta(seconds=30)).isoformat()
    answer = await post(real, "/v1/predictions", body(at=at))
    inputs = {one["name"]: one for one in answer["asset"]["inputs"]}
    assert (inputs["air_temperature"]["value"], inputs["air_temperature"]["age_s"]) == (24.95, 30.0)


async def test_missing_points_and_old_or_bad_readings_are_all_named(real: Gateway) -> None:
    await create_mill(real, POINTS[:4])
    await send_readings(real, SystemClock().now() - timedelta(hours=2), POINTS[:2])
    await send_readings(real, SystemClock().now(), POINTS[2:3], quality="bad")
    await send_readings(real, SystemClock().now(), POINTS[3:4])
    answer = await real.http.post("/v1/predictions", json=body())
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (422, "asset_inputs_missing")
    assert "`tool_wear` has no point" in error["message"]
    for tag in ("M1.TA", "M1.TP", "M1.N"):
        assert f"{tag} has no good reading within 3600 s" in error["message"]
    assert "torque" not in error["message"]
    assert (await real.rows(4))[0]["settlement"] == "refused"
    assert (await real.http.get("/v1/plant/assets/M1/verdicts")).json()["data"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"asset": "M2"}, 404, "plant_node_not_found"),
        ({"asset": 5}, 400, "invalid_value"),
        ({"instances": [OVERSTRAINED]}, 400, "asset_inputs_invalid"),
        ({"asset_options": {"at": "2026-01-01T00:00:00"}}, 400, "asset_inputs_invalid"),
        ({"asset_options": {"inputs": {"torque": "none"}}}, 400, "asset_inputs_invalid"),
        ({"asset_options": {"max_age": 5}}, 400, "unknown_parameter"),
        ({"model": "nothing"}, 404, "model_not_found"),
    ],
)
async def test_wrong_requests_are_refused(
    real: Gateway, change: dict[str, Any], status: int, code: str
) -> None:
    await create_mill(real)
    answer = await real.http.post("/v1/predictions", json={**body(), **change})
    assert (answer.status_code, error_of(answer)["code"]) == (status, code), answer.text


async def test_asset_of_another_account_is_not_found(real: Gateway) -> None:
    await create_mill(real)
    other: tuple[Account, Any] = await customer(
        real.parts.database, real.parts.settings, "Other 公司"
    )
    headers = {"authorization": f"Bearer {other[1].secret}"}
    async with builders.client(real.url, headers) as http:
        answer = await http.post("/v1/predictions", json=body())
        assert (answer.status_code, error_of(answer)["code"]) == (404, "plant_node_not_found")
        assert (await http.get("/v1/plant/assets/M1/verdicts")).status_code == 404


async def test_column_called_asset_is_a_column(real: Gateway) -> None:
    row = {**OVERSTRAINED, "asset": "M1"}
    answer = await real.http.post("/v1/predictions", json={"model": SPECIALIST, "instances": [row]})
    assert "no input 'asset'" in error_of(answer)["message"]
