"""The cluster of one machine has the applications of the configuration for an external one,
and only processes that serve."""

from pathlib import Path

import httpx
import psutil
import yaml

from tests.support.engine.process import EngineFolder

CONFIG = Path(__file__).parents[2] / "infra" / "deploy" / "helm" / "maas" / "serve.yaml"


async def test_serve_config_lists_the_applications_of_one_machine(serving_url: str) -> None:
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    async with httpx.AsyncClient(base_url=serving_url, trust_env=False, timeout=60) as http:
        served = (await http.get("/-/routes")).json()
    assert served == {one["route_prefix"]: one["name"] for one in named}


async def test_cluster_has_no_process_that_only_watches_it(
    serving_url: str, engine_folder: EngineFolder
) -> None:
    started = engine_folder.started
    assert started is not None
    below = psutil.Process(started.pid).children(recursive=True)
    titles = [title for one in below if (title := " ".join(_command_line(one)))]
    assert [title for title in titles if "raylet" in title]
    watching = ("dashboard.py", "monitor.py", "TelemetryAgent")
    assert not [title for title in titles if any(name in title for name in watching)]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
