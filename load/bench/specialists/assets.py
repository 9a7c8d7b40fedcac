"""Predictions by asset against predictions by columns: the same model and values, in turns."""

import secrets
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from load.bench.specialists.client import Row, SpecialistClient

_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class PairedLatencies:
    """Seconds of calls in turns: by columns and, directly after each, by asset."""

    columns: Sequence[float]
    assets: Sequence[float]

    @property
    def extra_s(self) -> float:
        """Return the median of the differences within pairs."""
        pairs = zip(self.assets, self.columns, strict=True)
        return statistics.median(asset - columns for asset, columns in pairs)

    @property
    def ratio(self) -> float:
        """Return the median of the ratios within pairs."""
        pairs = zip(self.assets, self.columns, strict=True)
        return statistics.median(asset / columns for asset, columns in pairs)


async def measure_by_asset(
    client: SpecialistClient, model: str, inputs: Sequence[Mapping[str, Any]], row: Row, calls: int
) -> PairedLatencies:
    """Create an asset with a point for each number of a row, then call by columns and by asset."""
    code = f"BENCH-{secrets.token_hex(4)}"
    await _post(client, "/v1/plant/assets", {"code": code})
    numbers = {name: value for name, value in row.items() if not isinstance(value, str)}
    units = {one["name"]: one.get("unit") for one in inputs}
    for name in numbers:
        point = {"tag": f"{code}.{name}", "name": name, "asset": code}
        unit = units[name]
        await _post(client, "/v1/plant/points", point | ({"unit": unit} if unit else {}))
    now = datetime.now(UTC).isoformat()
    readings = [
        {"tag": f"{code}.{name}", "time": now, "value": value} for name, value in numbers.items()
    ]
    await _post(client, "/v1/plant/readings", {"readings": readings})
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    by_columns = {"model": model, "instances": [row]}
    options = {"values": texts, "max_age_s": 86_400}
    by_asset = {"model": model, "asset": code, "asset_options": options}
    pairs = [
        (await _timed(client, by_columns), await _timed(client, by_asset))
        for _ in range(calls + _WARM_UP)
    ][_WARM_UP:]
    return PairedLatencies([one for one, _ in pairs], [other for _, other in pairs])


async def _timed(client: SpecialistClient, body: Mapping[str, Any]) -> float:
    """Return the seconds of a prediction."""
    began = time.perf_counter()
    await _post(client, "/v1/predictions", body)
    return time.perf_counter() - began


async def _post(client: SpecialistClient, path: str, body: Mapping[str, Any]) -> None:
    """Send a request. Raises RuntimeError if it fails."""
    async with client.session.post(f"{client.url}{path}", json=body) as answer:
        content = await answer.read()
        if answer.status != 200:
            raise RuntimeError(content.decode())
