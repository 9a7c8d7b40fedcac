"""Import of a large plant model over HTTP, as tag list and as exchange files.

    python -m load.bench.plant_exchange [--points 100000] [--formats json,aasx,nodeset,brick]

A gateway and PostgreSQL run on this machine; each format is imported into an account of its own.
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from gateway.plant.assets.values import Asset, AssetLevel, Concept, PlantModel, Point
from gateway.plant.imports.exporting import ExportFormat, export_file_name, render_export
from load.bench.one_gateway import Platform, run_platform
from load.constant_upstream.engine import UpstreamSpeed
from load.deployment.service import create_firms, start_constant_upstream

_SPEED = UpstreamSpeed(0.0, 0.002, 0)
_POINTS_OF_ASSET = 20
_FORMATS = ("csv", "json", "aasx", "nodeset", "brick")
_BRICK = "https://brickschema.org/schema/Brick#"


def main() -> None:
    """Measure and print a table in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.plant_exchange")
    asked.add_argument("--points", type=int, default=100_000)
    asked.add_argument("--formats", default=",".join(_FORMATS))
    options = asked.parse_args()
    model = plant_model(options.points)
    print(
        "| format | MiB | preview, s | confirm, s | gateway at most, MiB |\n|---|---|---|---|---|"
    )
    with run_platform(_start_upstream, {"MAAS_PLANT_IMPORT_BYTES": str(256 << 20)}) as platform:
        for name in options.formats.split(","):
            print(_imported(platform, model, ExportFormat(name)), flush=True)


def plant_model(points: int) -> PlantModel:
    """Return a plant of four levels with 20 points for each pump."""
    pumps = -(-points // _POINTS_OF_ASSET)
    assets = [Asset("W", "Works", AssetLevel.SITE)]
    assets += [Asset(f"A{n}", f"Area {n}", AssetLevel.AREA, "W") for n in range(-(-pumps // 500))]
    lines = range(-(-pumps // 50))
    assets += [Asset(f"L{n}", f"Line {n}", AssetLevel.WORK_CENTER, f"A{n // 10}") for n in lines]
    assets += [
        Asset(f"P{n}", f"Pump {n}", AssetLevel.EQUIPMENT, f"L{n // 50}", {"brick": "Pump"})
        for n in range(pumps)
    ]
    concept = Concept("brick", f"{_BRICK}Temperature_Sensor")
    made = [
        Point(
            f"TAG-{n:06d}", f"Temperature {n}", f"P{n // _POINTS_OF_ASSET}", "degC",
            low=0.0, high=150.0, concept=concept,
        )
        for n in range(points)
    ]  # fmt: skip
    return PlantModel(tuple(assets), tuple(made))


def _imported(platform: Platform, model: PlantModel, export_format: ExportFormat) -> str:
    """Import a model in a format into a new account and return the row of the table."""
    content = render_export(model, export_format)
    (firm,) = create_firms(platform.gateway.url, platform.environment, [f"Plant{export_format}"])
    headers = {"authorization": f"Bearer {firm.key}"}
    with httpx.Client(base_url=platform.gateway.url, headers=headers, timeout=900) as http:
        began = time.perf_counter()
        files = {"file": (export_file_name(export_format), content)}
        shown = http.post("/v1/plant/imports", files=files)
        previewed = time.perf_counter()
        if shown.status_code != 200:
            return f"| {export_format} | {len(content) / 2**20:.0f} | {shown.text[:120]} | | |"
        assert shown.json()["counts"]["points"]["create"] == len(model.points), shown.json()
        done = http.post(f"/v1/plant/imports/{shown.json()['id']}/confirm")
        confirmed = time.perf_counter()
    peak = _peak_mib(platform)
    result = f"{confirmed - previewed:.1f}" if done.status_code == 200 else done.text[:120]
    size, preview = f"{len(content) / 2**20:.0f}", f"{previewed - began:.1f}"
    return f"| {export_format} | {size} | {preview} | {result} | {peak:,.0f} |"


def _peak_mib(platform: Platform) -> float:
    """Return the highest memory of the gateway's process so far."""
    status = Path(f"/proc/{platform.gateway.pid}/status").read_text("utf-8")
    line = next(one for one in status.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _start_upstream(folder: Path, stack: ExitStack) -> str:
    """Start the constant upstream and return its URL: a gateway needs a model server."""
    url, _ = start_constant_upstream(folder, _SPEED, stack)
    return url


if __name__ == "__main__":
    main()
