"""What a Ray cluster of somebody else's is told to serve is what one machine serves."""

from pathlib import Path

import httpx
import yaml

CONFIG = Path(__file__).parents[2] / "infra" / "deploy" / "helm" / "maas" / "serve.yaml"


async def test_the_config_file_names_what_one_machine_serves(serving_url: str) -> None:
    named = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    async with httpx.AsyncClient(base_url=serving_url, trust_env=False, timeout=60) as http:
        served = (await http.get("/-/routes")).json()
    assert served == {one["route_prefix"]: one["name"] for one in named}
