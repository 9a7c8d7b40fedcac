"""The files below infra/deploy for tests: read, rendered by Helm, and split into objects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python.chart as helm
import yaml

DEPLOY = Path(__file__).parent.parent.parent / "infra" / "deploy"
CHART = DEPLOY / "helm" / "maas"
# Values with every option enabled.
ALL: dict[str, Any] = {
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "maas-tls"},
    "backup": {"enabled": True, "existingClaim": "backups"},
    "monitoring": {"enabled": True, "labels": {"release": "prometheus"}},
    "migration": {"contract": True},
    "serving": {"worker": {"maxReplicas": 3}},
}
ELSEWHERE: dict[str, Any] = {"serving": {"enabled": False, "url": "http://10.0.0.2:8000"}}


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rendered(values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects that Helm renders, by kind and name."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name="maas", namespace="plant", is_install=True)
    found = [
        one
        for name, text in files.items()
        if name.endswith(".yaml")
        for one in yaml.safe_load_all(text)
        if one
    ]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def pod_templates(objects: dict[tuple[str, str], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All pod templates at any depth of the objects."""
    waiting: list[Any] = list(objects.values())
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "containers" in one.get("spec", {}) if isinstance(one.get("spec"), dict) else False:
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def environment(template: dict[str, Any]) -> dict[str, str]:
    return {
        one["name"]: one["value"]
        for container in template["spec"]["containers"]
        for one in container["env"]
    }
