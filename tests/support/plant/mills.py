"""A milling machine as an asset with points, and its readings."""

from datetime import datetime
from typing import Any

from tests.support.builders import Gateway

# The points of a milling machine: tag, name, unit, value in that unit.
POINTS = (
    ("M1.TA", "Air temperature", "degC", 24.95),
    ("M1.TP", "Process temperature", "degC", 35.45),
    ("M1.N", "主轴转速 rotational speed", "1/min", 1300.0),
    ("M1.TQ", "Torque", "Nm", 65.0),
    ("M1.WEAR", "Tool wear", "min", 220.0),
)


async def post(gateway: Gateway, path: str, body: Any) -> dict[str, Any]:
    answer = await gateway.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def create_mill(gateway: Gateway, points: Any = POINTS) -> dict[str, Any]:
    """Create a machine with points, of which the last ones belong to its spindle."""
    asset = await post(gateway, "/v1/plant/assets", {"code": "M1", "name": "Mill 1"})
    part = {"code": "M1.S", "parent": "M1", "level": "component"}
    await post(gateway, "/v1/plant/assets", part)
    for tag, name, unit, _ in points:
        owner = "M1.S" if tag == "M1.WEAR" else "M1"
        body = {"tag": tag, "name": name, "unit": unit, "asset": owner}
        await post(gateway, "/v1/plant/points", body)
    return asset


async def send_readings(
    gateway: Gateway, at: datetime, points: Any = POINTS, quality: Any = None
) -> None:
    readings = [
        {"tag": tag, "time": at.isoformat(), "value": value, "quality": quality}
        for tag, _, _, value in points
    ]
    await post(gateway, "/v1/plant/readings", {"readings": readings})
