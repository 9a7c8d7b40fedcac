"""Specialist calls: `/v1/predictions` with named columns, and the Open Inference Protocol."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.plan_changes.plan_changes import start_plan
from billing.rating.plan_file import parse_plan_file
from billing.rating.quantities import METERS
from billing.subscriptions.plans import publish_plan
from tests.support.builders import (
    CONTROL_CHART,
    PICTURES,
    PLENTY,
    SPECIALIST,
    Gateway,
    Limited,
    credit,
)
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of


class TestSpecialistCalls:
    async def test_named_columns_become_tensors_and_rows_are_billed(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        # 2 rows at 1,000,000 nano.
        rows = [{"type": "M", "torque": 40.1}, {"type": "L", "torque": 41}]
        body = {"model": SPECIALIST, "instances": rows}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert answer.json()["predictions"] == [{"failure": 0}, {"failure": 0}]
        assert answer.json()["usage"] == {"rows": 2}
        assert upstream.received[0]["inputs"] == [
            {"name": "type", "shape": [2], "datatype": "BYTES", "data": ["M", "L"]},
            {"name": "torque", "shape": [2], "datatype": "FP32", "data": [40.1, 41.0]},
        ]
        row = await gateway.row()
        assert (row["rows"], row["cost"]) == (2, "0.002000000")

    @pytest.mark.parametrize(
        ("rows", "param"),
        [
            ([], "instances"),
            ([{"torque": 1}, {}], "instances[1].torque"),
            ([{"torque": 1}, {"torque": None}], "instances[1].torque"),
            ([{"torque": 1}, {"torque": "x"}], "instances[1].torque"),
            ([{"torque": 1}, {"torque": 1, "wear": 2}], "instances[1].wear"),
            ([{"torque": {}}], "instances[0][]"),
            ([{"torque": [1, "x"]}], "instances[0].torque"),
            ([{"torque": [1, None]}], "instances[0][][1]"),
            ([{"torque": [1, 2]}, {"torque": 1}], "instances[1].torque"),
            ([{"torque": [1, 2]}, {"torque": [1]}], "instances[1].torque"),
        ],
    )
    async def test_invalid_row_is_rejected_with_its_position(
        self, gateway: Gateway, rows: list[Any], param: str
    ) -> None:
        body = {"model": SPECIALIST, "instances": rows}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert answer.status_code == 400
        assert error_of(answer)["param"] == param

    async def test_units_and_list_columns_are_sent_as_fp64_tensors(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """Formula models receive FP64 values; a row that contains a list is billed as one row."""
        rows = [{"points": [1, 2.5], "centre": 0.1}, {"points": [3, 4], "centre": 0}]
        body = {"model": CONTROL_CHART, "instances": rows, "units": {"centre": "°C"}}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert answer.status_code == 200
        assert upstream.received[0]["inputs"] == [
            {"name": "points", "shape": [2, 2], "datatype": "FP64", "data": [[1, 2.5], [3, 4]]},
            {
                "name": "centre",
                "shape": [2],
                "datatype": "FP64",
                "data": [0.1, 0],
                "parameters": {"unit": "°C"},
            },
        ]
        assert (await gateway.row())["rows"] == 2

    async def test_unit_of_an_unknown_column_is_rejected(self, gateway: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 1}], "units": {"speed": "rpm"}}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "units")

    async def test_error_message_of_the_specialist_is_returned(self, gateway: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 900}] * 13}
        answer = await gateway.http.post("/v1/predictions", json=body)
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["message"] == "Row 3: `torque` is 900 N·m, above 200."
        assert (error["row"], "value" in error) == (3, False)

    async def test_open_inference_json_call_is_billed_by_rows(self, gateway: Gateway) -> None:
        tensor = {"name": "torque", "shape": [3, 1], "datatype": "FP32", "data": [1, 2, 3]}
        answer = await gateway.http.post(
            f"/v2/models/{SPECIALIST}/infer", json={"inputs": [tensor]}
        )
        assert answer.json()["outputs"][0]["data"] == [0, 0, 0]
        assert (await gateway.row())["rows"] == 3

    async def test_open_inference_binary_call_is_billed_by_rows(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        tensor = {
            "name": "t",
            "shape": [2],
            "datatype": "FP32",
            "parameters": {"binary_data_size": 8},
        }
        header = json.dumps({"inputs": [tensor]}).encode()
        answer = await gateway.http.post(
            f"/v2/models/{SPECIALIST}/infer",
            content=header + b"\0" * 8,
            headers={"Inference-Header-Content-Length": str(len(header))},
        )
        assert answer.status_code == 200
        assert (await gateway.row())["rows"] == 2

    @pytest.mark.parametrize("length", ["x", "0", "-1", "99999", "9" * 50])
    async def test_invalid_inference_header_length_returns_400(
        self, gateway: Gateway, length: str
    ) -> None:
        answer = await gateway.http.post(
            f"/v2/models/{SPECIALIST}/infer",
            content=b"{}",
            headers={"Inference-Header-Content-Length": length},
        )
        assert answer.status_code == 400
        body = answer.json()
        assert isinstance(body["error"], str)
        assert set(body) == {"error", "message", "type", "param", "code"}

    async def test_inputs_with_different_row_counts_are_rejected(self, gateway: Gateway) -> None:
        inputs = [
            {"name": name, "shape": [rows], "datatype": "FP32", "data": [0] * rows}
            for name, rows in (("a", 2), ("b", 3))
        ]
        answer = await gateway.http.post(f"/v2/models/{SPECIALIST}/infer", json={"inputs": inputs})
        assert (answer.status_code, answer.json()["param"]) == (400, "b")


PLAN = f"""
plan = "vision"
names = {{ en = "Vision", zh = "视觉版" }}
currency = "CNY"
alignment = "anniversary"

[[price]]
model = "{SPECIALIST}"
meter = "images"
price = "0.01"

[[allowance]]
model = "{SPECIALIST}"
meter = "images"
quantity = 2
"""
SHOWN = {"model": SPECIALIST, "instances": [{"picture": "iVBORw0KGgo="}] * 3}


class TestImageBilledSpecialist:
    """A specialist priced per image is billed by images, not rows: 0.025 each."""

    @pytest.fixture
    async def judging(self, limited: Limited) -> AsyncIterator[Gateway]:
        async with limited(PLENTY, catalog=PICTURES) as gateway:
            yield gateway

    async def test_prediction_is_billed_by_images(self, judging: Gateway) -> None:
        answer = await judging.http.post("/v1/predictions", json=SHOWN)
        assert (answer.status_code, answer.json()["usage"]) == (200, {"images": 3})
        row = await judging.row()
        consumed = {meter: row[meter] for meter in METERS if row[meter] is not None}
        assert (consumed, row["cost"]) == ({"images": 3}, "0.075000000")
        judging.parts.call_metrics.flush()
        text = (await judging.http.get("/metrics")).text
        assert f'maas_images_total{{model="{SPECIALIST}"}} 3.0' in text
        assert f'maas_rows_total{{model="{SPECIALIST}"}}' not in text

    async def test_open_inference_call_is_billed_by_images(self, judging: Gateway) -> None:
        tensor = {"name": "picture", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
        body = {"inputs": [tensor]}
        await judging.http.post(f"/v2/models/{SPECIALIST}/infer", json=body)
        row = await judging.row()
        assert (row["images"], row["rows"], row["cost"]) == (2, None, "0.050000000")

    async def test_quote_counts_images(self, judging: Gateway) -> None:
        quote = (await judging.http.post("/v1/quote", json=SHOWN)).json()
        assert (quote["images"], quote["rows"], quote["adaptation_seconds"]) == (3, 0, 0)
        assert (quote["max_cost"], quote["min_cost"]) == ("0.075000000", "0.075000000")
        assert quote["price_nano_per_unit"] == {"images": 25_000_000}

    async def test_call_beyond_the_credit_for_its_images_is_rejected(
        self, limited: Limited
    ) -> None:
        """The credit is enough for two images."""
        async with limited(credit(74_999_999), catalog=PICTURES) as gateway:
            refused = await gateway.http.post("/v1/predictions", json=SHOWN)
            two = {**SHOWN, "instances": [{"picture": "a"}] * 2}
            answer = await gateway.http.post("/v1/predictions", json=two)
            assert not (await gateway.reconciled()).differences
        assert error_of(refused)["code"] == "credit_exhausted"
        assert answer.json()["usage"] == {"images": 2}

    async def test_included_images_are_not_charged(self, judging: Gateway) -> None:
        """The plan includes two of three images; the third is charged at the plan's price."""
        plan, clock = parse_plan_file(PLAN, lambda _currency: {}), judging.parts.clock
        async with judging.parts.database.transaction() as session:
            version = await publish_plan(session, clock, plan)
            await start_plan(session, clock, judging.account.id, version)
        await judging.http.post("/v1/predictions", json=SHOWN)
        row = await judging.row()
        assert (row["included"], row["cost"]) == ({"images": 2}, "0.010000000")
        assert not (await judging.reconciled()).differences
