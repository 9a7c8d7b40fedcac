"""The Serve configuration for an external Ray cluster has the applications of one machine."""

from pathlib import Path

import httpx
import yaml

CONFIG = Path(__file__).parents[2] / "infra" / "deploy" / "helm" / "maas" / "serve.yaml"


async def test_serve_config_lists_the_applications_of_one_machine(serving_url: str) -> None:
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    async with httpx.AsyncClient(base_url=serving_url, trust_env=False, timeout=60) as http:
        served = (await http.get("/-/routes")).json()
    assert served == {one["route_prefix"]: one["name"] for one in named}
