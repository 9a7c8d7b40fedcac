"""Collect the readings of plain MQTT messages."""

from collections.abc import Sequence

from gateway.plant.connector.messages import Incoming, Outgoing, ReadingSink
from gateway.plant.connector.mqtt.config import MqttConfig
from gateway.plant.connector.mqtt.payloads import read_payload
from gateway.plant.connector.mqtt.topics import TopicRules, topic_parts
from gateway.plant.connector.problems import Problems
from gateway.plant.connector.templates import fill_template


class PlainHandler:
    """Handles messages of a broker's topics."""

    def __init__(self, config: MqttConfig, collector: ReadingSink, problems: Problems) -> None:
        self._config = config
        self._rules = TopicRules(config.topics)
        self._collector = collector
        self._problems = problems

    @property
    def subscriptions(self) -> Sequence[tuple[str, int]]:
        """The topic filters of all rules."""
        topics = dict.fromkeys(rule.topic for rule in self._config.topics)
        return [(topic, self._config.qos) for topic in topics]

    def will(self, now_us: int) -> Outgoing | None:
        """Return None: nobody waits for the connector."""
        return None

    def connected(self, now_us: int) -> Sequence[Outgoing]:
        """Return no messages."""
        return ()

    def receive(self, message: Incoming, now_us: int) -> Sequence[Outgoing]:
        """Collect the readings of a message. A retained one counts only with a time of its own."""
        rule = self._rules.find(message.topic)
        if rule is None:
            self._problems.report("topic_unknown", message.topic)
            return ()
        parts = topic_parts(rule, message.topic)
        unit, chosen = rule.unit, rule.filter or self._config.filter
        try:
            readings = list(read_payload(rule, message.payload, now_us))
        except ValueError as error:
            self._problems.report("payload_invalid", f"{message.topic}: {error}")
            return ()
        for reading in readings:
            if message.is_retained and not reading.has_time:
                continue
            if reading.sample.value is None:
                self._problems.report("value_missing", message.topic)
            tag = fill_template(rule.tag, {**parts, "field": reading.field})
            if self._collector.add_point(tag, unit, chosen):
                self._collector.add(tag, reading.sample)
            else:
                self._problems.report("tag_refused", f"{message.topic}: {tag}")
        return ()
