"""Which rule a metric belongs to, and the tag of its readings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.filters import FilterConfig
from gateway.plant.connector.mqtt.config import MetricConfig, SparkplugConfig
from gateway.plant.connector.sparkplug.topics import NodeId
from gateway.plant.connector.templates import check_template, fill_template

_NAMES = frozenset({"group", "node", "device", "metric"})
_CONTROL = ("Node Control/", "Device Control/")
BIRTH_SEQUENCE = "bdSeq"


@dataclass(frozen=True, slots=True)
class MappedMetric:
    """The tag, unit and filter of a metric's readings."""

    tag: str
    unit: str
    filter: FilterConfig


class MetricRules:
    """The rules of a source; the first that matches counts."""

    def __init__(self, config: SparkplugConfig) -> None:
        self._rules = [(rule, _patterns(rule)) for rule in config.points]
        self._filter = config.filter

    def find(self, node: NodeId, device: str, metric: str) -> MappedMetric | None:
        """Return what a metric is mapped to, or None."""
        if metric == BIRTH_SEQUENCE or metric.startswith(_CONTROL):
            return None
        parts = {"group": node.group, "node": node.node, "device": device, "metric": metric}
        for rule, patterns in self._rules:
            if all(patterns[name].fullmatch(part) for name, part in parts.items()):
                tag = fill_template(rule.tag, parts)
                return MappedMetric(tag, rule.unit, rule.filter or self._filter)
        return None


def check_metric_rule(rule: MetricConfig) -> None:
    """Raise ConnectorConfigInvalid for a wrong tag."""
    check_template(rule.tag, _NAMES)
    if not rule.device and "{device}" in rule.tag:
        raise ConnectorConfigInvalid(f"The metric {rule.metric!r} of an edge node has no device.")


def _patterns(rule: MetricConfig) -> Mapping[str, re.Pattern[str]]:
    """Return the patterns of a rule; `*` matches any text, of a device's name at least one sign."""
    return {
        "group": _pattern(rule.group, ".*"),
        "node": _pattern(rule.node, ".*"),
        "device": _pattern(rule.device, ".+"),
        "metric": _pattern(rule.metric, ".*"),
    }


def _pattern(text: str, any_text: str) -> re.Pattern[str]:
    """Return a pattern in which only `*` is special."""
    return re.compile(any_text.join(map(re.escape, text.split("*"))), re.DOTALL)
