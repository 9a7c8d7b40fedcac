"""Lines of batches that name an asset of the plant model."""

from infra.clock import SystemClock
from tests.support.builders import SPECIALIST
from tests.support.gateway.batching import Batcher
from tests.support.gateway.milling_model import serve_milling_model
from tests.support.plant.mills import create_mill, send_readings


async def test_lines_with_an_asset_are_held_as_a_row_and_leave_verdicts(batcher: Batcher) -> None:
    gateway, upstream = batcher.gateway, batcher.upstream
    serve_milling_model(upstream)
    await create_mill(gateway)
    await send_readings(gateway, SystemClock().now())
    bodies = [
        {"model": SPECIALIST, "asset": "M1"},
        {"model": SPECIALIST, "asset": "none"},
    ]
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": "/v1/predictions", "body": body}
        for n, body in enumerate(bodies)
    ]
    batch = await batcher.run(lines, "/v1/predictions")
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1), batch
    (line,) = await batcher.results(batch)
    body = line["response"]["body"]
    assert {one["tag"] for one in body["asset"]["inputs"]} == {"M1.TQ", "M1.N"}
    listed = (await gateway.http.get("/v1/plant/assets/M1/verdicts")).json()["data"]
    assert [one["request_id"] for one in listed] == [line["response"]["request_id"]]


async def test_line_with_an_asset_and_auto_is_refused_before_anything_is_held(
    batcher: Batcher,
) -> None:
    body = {"model": "auto", "asset": "M1", "task": "failure"}
    line = {"custom_id": "c", "method": "POST", "url": "/v1/predictions", "body": body}
    batch = await batcher.run([line], "/v1/predictions")
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert "Name the model" in str(batch.errors.data[0].message)
