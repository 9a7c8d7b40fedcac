"""Connect to an MQTT broker and pass messages to a handler.

Only this module imports aiomqtt, which is optional (extra `connector`).
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.plant.connector.addresses import shown_address
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.messages import Incoming, MessageHandler, Outgoing
from gateway.plant.connector.mqtt.config import BrokerConfig
from gateway.plant.connector.passwords import read_password
from gateway.plant.connector.problems import Problems
from gateway.plant.connector.retrying import Connections
from gateway.plant.readings.formats.times import from_datetime
from infra.clock import Clock
from infra.lazy_import import LazyModule

aiomqtt: Any = LazyModule("aiomqtt")

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FIRST_REFUSAL = 0x80


class BrokerReader:
    """Reads the topics of one broker until cancelled; connects again after errors."""

    def __init__(
        self,
        config: BrokerConfig,
        handler: MessageHandler,
        clock: Clock,
        problems: Problems,
        environment: Mapping[str, str],
        *,
        is_clean: bool,
    ) -> None:
        self._config = config
        self._handler = handler
        self._clock = clock
        self._problems = problems
        self._options = connection_options(config, environment)
        self._is_clean = is_clean

    @property
    def source(self) -> str:
        """The name of the connection in logs and metrics."""
        return self._config.source

    async def run(self, connections: Connections) -> None:
        """Keep the broker connected and pass messages on, until cancelled."""
        errors = (aiomqtt.MqttError, OSError)
        await connections.keep(lambda: self._read(connections.connected), errors)

    async def _read(self, on_connected: Callable[[], None]) -> None:
        """Connect, subscribe and receive until the connection ends. Raises MqttError."""
        will = self._handler.will(self._now_us())
        options = {**self._options, "clean_session": self._is_clean}
        if will is not None:
            options["will"] = aiomqtt.Will(will.topic, will.payload, will.qos, will.retain)
        async with aiomqtt.Client(**options) as client:
            for topic, qos in self._handler.subscriptions:
                await self._subscribe(client, topic, qos)
            on_connected()
            await _publish(client, self._handler.connected(self._now_us()))
            try:
                async for message in client.messages:
                    await self._receive(client, message)
            except asyncio.CancelledError:
                # An orderly end discards the will at the broker.
                await _publish(client, () if will is None else (will,))
                raise

    async def _subscribe(self, client: Any, topic: str, qos: int) -> None:
        """Subscribe to a topic filter, and report if the broker refuses it."""
        for code in await client.subscribe(topic, qos=qos):
            if _is_refusal(code):
                self._problems.report("subscription_refused", topic)

    async def _receive(self, client: Any, message: Any) -> None:
        """Pass one message on."""
        topic, payload = message.topic.value, bytes(message.payload or b"")
        if len(payload) > self._config.max_payload_bytes:
            self._problems.report("payload_too_large", f"{topic}: {len(payload):,} bytes")
            return
        incoming = Incoming(topic, payload, bool(message.retain))
        await _publish(client, self._handler.receive(incoming, self._now_us()))

    def _now_us(self) -> int:
        """Return the time in microseconds."""
        return from_datetime(self._clock.now())


def connection_options(config: BrokerConfig, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of a connection. Raises ConnectorConfigInvalid."""
    try:
        address = urlsplit(config.url)
        port = address.port
    except ValueError:
        shown = shown_address(config.url)
        raise ConnectorConfigInvalid(f"The address {shown!r} is not valid.") from None
    if address.scheme not in _PORTS or not address.hostname or address.username:
        raise ConnectorConfigInvalid(
            f"The address {shown_address(config.url)!r} must be mqtt://host:port or "
            "mqtts://host:port, without a user name."
        )
    return {
        "hostname": address.hostname,
        "port": port or _PORTS[address.scheme],
        "identifier": config.client_id,
        "username": config.username,
        "password": read_password(
            config.password_file, config.password_variable, environment, "the broker"
        ),
        "keepalive": config.keepalive_s,
        "tls_context": _tls_context(config) if address.scheme == "mqtts" else None,
    }


def _tls_context(config: BrokerConfig) -> ssl.SSLContext:
    """Return the TLS settings; the broker's certificate is always verified.

    Raises ConnectorConfigInvalid.
    """
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate_file is not None:
            context.load_cert_chain(config.certificate_file, config.private_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConnectorConfigInvalid(f"The certificates cannot be used: {error}.") from None
    return context


async def check_broker(
    config: BrokerConfig, topics: Iterable[str], environment: Mapping[str, str]
) -> str:
    """Connect once and subscribe; return what is wrong, empty if nothing is.

    Uses a client id of its own, so that a running connector stays connected.
    Raises ConnectorConfigInvalid.
    """
    options = connection_options(config, environment)
    options["identifier"] = f"{config.client_id}-check"
    refused = []
    try:
        async with aiomqtt.Client(**options, clean_session=True) as client:
            for topic in topics:
                codes = await client.subscribe(topic)
                refused += [topic for code in codes if _is_refusal(code)]
    except (aiomqtt.MqttError, OSError) as error:
        return f"No connection: {error}."
    return f"The broker refuses {', '.join(refused)}." if refused else ""


def _is_refusal(code: Any) -> bool:
    """Whether the broker's answer to a subscription is a refusal."""
    return int(getattr(code, "value", code)) >= _FIRST_REFUSAL


async def _publish(client: Any, messages: Iterable[Outgoing]) -> None:
    """Publish messages."""
    for one in messages:
        await client.publish(one.topic, one.payload, qos=one.qos, retain=one.retain)
