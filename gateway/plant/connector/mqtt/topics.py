"""Which rule a topic belongs to: exact topics first, then topic filters in their order."""

from collections.abc import Mapping, Sequence

from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.mqtt.config import TopicConfig
from gateway.plant.connector.templates import check_template

_ONE, _REST, _SHARED = "+", "#", "$share"
_MAX_CACHED = 10_000


class TopicRules:
    """The rules of a broker, looked up by topic."""

    def __init__(self, rules: Sequence[TopicConfig]) -> None:
        self._exact = {rule.topic: rule for rule in reversed(rules) if not _is_pattern(rule.topic)}
        self._patterns = [(_levels(rule.topic), rule) for rule in rules if _is_pattern(rule.topic)]
        self._cache: dict[str, TopicConfig | None] = {}

    def find(self, topic: str) -> TopicConfig | None:
        """Return the rule of a topic, or None."""
        exact = self._exact.get(topic)
        if exact is not None or not self._patterns:
            return exact
        if topic not in self._cache:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            levels = topic.split("/")
            found = (rule for pattern, rule in self._patterns if matches(pattern, levels))
            self._cache[topic] = next(found, None)
        return self._cache[topic]


def topic_parts(rule: TopicConfig, topic: str) -> Mapping[str, str]:
    """Return the parts of a topic that the tag of its rule may contain."""
    levels = topic.split("/")
    parts = {str(number): level for number, level in enumerate(levels, 1)}
    pattern = _levels(rule.topic)
    if pattern[-1] == _REST:
        parts["rest"] = ".".join(levels[len(pattern) - 1 :])
    return parts


def matches(pattern: Sequence[str], levels: Sequence[str]) -> bool:
    """Whether the levels of a topic match those of a topic filter (MQTT 3.1.1, 4.7)."""
    if levels[0].startswith("$") and pattern[0] in (_ONE, _REST):
        return False
    has_rest = pattern[-1] == _REST
    fixed = pattern[:-1] if has_rest else pattern
    if len(levels) < len(fixed) or (len(levels) > len(fixed) and not has_rest):
        return False
    return all(one in (_ONE, level) for one, level in zip(fixed, levels[: len(fixed)], strict=True))


def check_topic_rule(rule: TopicConfig) -> None:
    """Raise ConnectorConfigInvalid for a wrong topic filter or tag."""
    levels = _levels(rule.topic)
    wrong = [one for one in levels if (_ONE in one or _REST in one) and len(one) > 1]
    if wrong or _REST in levels[:-1] or "\0" in rule.topic:
        raise ConnectorConfigInvalid(f"The topic filter {rule.topic!r} is not valid.")
    names = {str(number) for number in range(1, len(levels) + 1)} | {"field"}
    if levels[-1] == _REST:
        names = (names - {str(len(levels))}) | {"rest"}
    check_template(rule.tag, names)


def _is_pattern(topic: str) -> bool:
    """Whether a topic filter has wildcards or is shared."""
    return topic.startswith(f"{_SHARED}/") or _ONE in topic or _REST in topic


def _levels(topic: str) -> Sequence[str]:
    """Return the levels of a topic filter, without the name of a shared subscription."""
    levels = topic.split("/")
    return levels[2:] if levels[0] == _SHARED and len(levels) > 2 else levels
