"""Dashboards and alert rules: each metric and label exists, and each alert has a runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.telemetry.metrics import declare_metrics
from serving.text.prometheus import METRIC_NAMES, UNCOUNTED_METRIC

ROOT = Path(__file__).parents[3]
FILES = ROOT / "infra" / "observability"
RULES = sorted((FILES / "prometheus" / "rules").glob("*.yml"))
DASHBOARDS = sorted((FILES / "grafana" / "dashboards").glob("*.json"))
DOCUMENT = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
ENDINGS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
}
# Metrics of Prometheus itself and of vLLM.
LABELS = {"le", "job", "instance", "model_name", "engine"}
NAME = re.compile(r"(?<![\w:$\"{])(?:maas|gen_ai|vllm|up\b)[a-zA-Z0-9_:]*")


def exported() -> set[str]:
    names = {
        f"{family.name}{ending}"
        for family in declare_metrics().registry.collect()
        for ending in ENDINGS[family.type]
    }
    return names | set(METRIC_NAMES) | {UNCOUNTED_METRIC, "up"}


def labels() -> set[str]:
    found = set(LABELS)
    for collector in declare_metrics().registry._collector_to_names:
        found |= set(getattr(collector, "_labelnames", ()))
    return found


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.stem}: {panel['title']}", target["expr"]


def without_labels(expression: str) -> str:
    plain = re.sub(r"\{[^}]*\}", "", expression)
    return re.sub(r"\b(?:by|on|without|ignoring) \([^)]*\)", "", plain)


class TestMetricNames:
    def test_each_metric_in_rules_and_dashboards_is_exported(self) -> None:
        known = exported() | {rule["record"] for rule in rules() if "record" in rule}
        for place, expression in expressions():
            used = set(NAME.findall(without_labels(expression)))
            assert used, f"{place} asks for nothing: {expression}"
            assert used <= known, f"{place}: {used - known}"

    def test_unknown_metric_name_is_found_in_an_expression(self) -> None:
        used = NAME.findall(without_labels('sum(rate(maas_no_such_total{job="up"}[5m]))'))
        assert used == ["maas_no_such_total"]

    def test_each_label_in_rules_and_dashboards_exists(self) -> None:
        known = labels()
        for place, expression in expressions():
            chosen = re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression)
            grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
            used = {*chosen, *(one.strip() for group in grouped for one in group.split(","))} - {""}
            assert used <= known, f"{place}: {used - known}"

    @pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed here")
    def test_each_engine_metric_is_declared_by_vllm(self) -> None:
        origin = find_spec("vllm").origin  # type: ignore[union-attr]
        assert origin is not None
        source = (Path(origin).parent / "v1" / "metrics" / "loggers.py").read_text()
        for name in METRIC_NAMES:
            declared = name.removesuffix("_total").removesuffix("_created")
            assert f'"{declared}"' in source, name


class TestAlerts:
    def test_each_alert_has_a_runbook_section_and_severity(self) -> None:
        told = re.findall(r"^### (Maas\w+)$", DOCUMENT, re.MULTILINE)
        alerts = [rule for rule in rules() if "alert" in rule]
        assert sorted(told) == sorted(rule["alert"] for rule in alerts)
        for rule in alerts:
            anchor = f"docs/observability.md#{rule['alert'].lower()}"
            assert rule["annotations"]["runbook"] == anchor
            assert rule["labels"]["severity"] in {"critical", "warning"}

    @pytest.mark.usefixtures("processes")
    @pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here")
    def test_promtool_accepts_the_rules_and_their_tests_pass(self) -> None:
        prometheus = FILES / "prometheus"
        for command in (
            ["check", "rules", *map(str, RULES)],
            ["check", "config", "--syntax-only", str(prometheus / "prometheus.yml")],
            ["test", "rules", *map(str, sorted((prometheus / "tests").glob("*.yml")))],
        ):
            done = subprocess.run(["promtool", *command], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


class TestDashboards:
    def test_panels_do_not_overlap(self) -> None:
        uids = set()
        for file in DASHBOARDS:
            board = json.loads(file.read_text(encoding="utf-8"))
            assert board["uid"] == file.stem
            uids.add(board["uid"])
            taken: set[tuple[int, int]] = set()
            for panel in board["panels"]:
                place = panel["gridPos"]
                assert place["x"] + place["w"] <= 24, panel["title"]
                cells = {
                    (x, y)
                    for x in range(place["x"], place["x"] + place["w"])
                    for y in range(place["y"], place["y"] + place["h"])
                }
                assert not cells & taken, panel["title"]
                taken |= cells
        assert uids == {"maas-money", "maas-traffic", "maas-models", "maas-jobs"}

    def test_panels_use_the_provisioned_datasource(self) -> None:
        folder = FILES / "grafana" / "provisioning" / "datasources"
        (file,) = folder.glob("*.yml")
        known = {one["uid"] for one in yaml.safe_load(file.read_text())["datasources"]}
        for dashboard in DASHBOARDS:
            for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"]:
                assert panel["datasource"]["uid"] in known


class TestObservabilityDocument:
    def test_document_lists_each_declared_metric(self) -> None:
        listed = set(re.findall(r"^\| `((?:maas|gen_ai)_\w+)", DOCUMENT, re.MULTILINE))
        families = {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in declare_metrics().registry.collect()
        }
        assert listed == families
