"""Write to MQTT topics and Sparkplug B metrics, with a connection for each command.

Values are read back as the readings of the tag, by the handler that also collects readings.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.plant.connector.commands.latest_value import LatestValue
from gateway.plant.connector.commands.targets import (
    Channel,
    IsConfirmed,
    TargetAccessDenied,
    TargetUnreachable,
)
from gateway.plant.connector.messages import Incoming, MessageHandler, Outgoing
from gateway.plant.readings.formats.times import from_datetime
from infra.clock import Clock
from infra.lazy_import import LazyModule

aiomqtt: Any = LazyModule("aiomqtt")

_CONNECT_S = 10.0
# Bad user name or password, and not authorized.
_DENIED = (4, 5, 134, 135)
CreateHandler = Callable[[LatestValue], MessageHandler]
CreateMessage = Callable[[float, int], Outgoing]


class BrokerTarget:
    """A point behind a broker.

    options: of the connection. create_handler: what reads the tag. message: the command for a value
    at a time in microseconds. first: messages that ask for the current value.
    """

    def __init__(
        self,
        tag: str,
        unit: str,
        options: dict[str, Any],
        clock: Clock,
        create_handler: CreateHandler,
        message: CreateMessage,
        first: Callable[[int], Sequence[Outgoing]],
    ) -> None:
        self._tag = tag
        self._unit = unit
        self._options = options
        self._clock = clock
        self._create_handler = create_handler
        self._message = message
        self._first = first

    @property
    def unit(self) -> str:
        """The unit of the values of the tag."""
        return self._unit

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        """Connect and subscribe. Raises TargetUnreachable."""
        latest = LatestValue(self._tag)
        handler = self._create_handler(latest)
        try:
            async with aiomqtt.Client(**self._options, timeout=_CONNECT_S) as client:
                for topic, qos in handler.subscriptions:
                    await client.subscribe(topic, qos=qos)
                receiving = asyncio.create_task(self._receive(client, handler))
                try:
                    await _publish(client, self._first(self._now_us()))
                    yield BrokerChannel(client, latest, self._message, self._now_us)
                finally:
                    receiving.cancel()
                    await asyncio.gather(receiving, return_exceptions=True)
        except (OSError, TimeoutError, ValueError, aiomqtt.MqttError) as error:
            failure = TargetAccessDenied if _is_denied(error) else TargetUnreachable
            raise failure(f"{type(error).__name__}: {error}") from error

    async def _receive(self, client: Any, handler: MessageHandler) -> None:
        """Pass messages to the handler until cancelled."""
        async for message in client.messages:
            payload = bytes(message.payload or b"")
            incoming = Incoming(message.topic.value, payload, bool(message.retain))
            await _publish(client, handler.receive(incoming, self._now_us()))

    def _now_us(self) -> int:
        """Return the time in microseconds."""
        return from_datetime(self._clock.now())


class BrokerChannel:
    """A point over an open connection to its broker."""

    def __init__(
        self,
        client: Any,
        latest: LatestValue,
        message: CreateMessage,
        now_us: Callable[[], int],
    ) -> None:
        self._client = client
        self._latest = latest
        self._message = message
        self._now_us = now_us

    async def read(self, within_s: float) -> float | None:
        """Return the first value that arrives, None if none does in time."""
        return await self._latest.wait(lambda value: value is not None, within_s)

    async def write(self, value: float) -> None:
        """Publish the command, and wait until the broker has it."""
        self._latest.forget()
        await _publish(self._client, [self._message(value, self._now_us())])

    async def confirm(self, is_confirmed: IsConfirmed, within_s: float) -> float | None:
        """Return the value that arrives as wanted; the last one if none does in time."""
        return await self._latest.wait(is_confirmed, within_s)


def _is_denied(error: BaseException) -> bool:
    """Return whether the broker refused the user or the client (MQTT 3.1.1 and 5)."""
    code = getattr(error, "rc", None)
    return getattr(code, "value", code) in _DENIED


async def _publish(client: Any, messages: Sequence[Outgoing]) -> None:
    """Publish messages; never retained, so that no command is repeated by the broker."""
    for one in messages:
        await client.publish(one.topic, one.payload, qos=one.qos, retain=False)
