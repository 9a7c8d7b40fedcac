"""Check a connector's configuration: sign in to the gateway and connect to each source once."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from gateway.plant.connector.addresses import shown_address
from gateway.plant.connector.commands.config import CommandsConfig
from gateway.plant.connector.commands.trust import load_owner_keys
from gateway.plant.connector.config import ConnectorConfig
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.mqtt.broker import check_broker
from gateway.plant.connector.mqtt.config import BrokerConfig
from gateway.plant.connector.opcua_connection import OpcUaConnection
from gateway.plant.connector.opcua_source import check_server
from gateway.plant.connector.runner import api_key, gateway_client
from gateway.plant.connector.sparkplug.topics import subscriptions

_PATH = "/v1/plant/readings/settings"
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, and what is wrong with it; empty if nothing is."""

    kind: str
    address: str
    problem: str


async def check_connector(
    config: ConnectorConfig, environment: Mapping[str, str]
) -> Sequence[Check]:
    """Check the gateway and all sources. Raises ConnectorConfigInvalid."""
    key = api_key(config, environment)
    checks = [_check("gateway", config.url, _check_gateway(config.url, key))]
    checks += [
        _check("opcua", one.url, check_server(OpcUaConnection.of(one, environment)))
        for one in config.opcua
    ]
    if config.commands is not None:
        keys = ", ".join(config.commands.owner_keys)
        checks.append(_check("commands", keys, _check_keys(config.commands)))
    brokers: list[tuple[str, BrokerConfig, list[str]]] = [
        ("mqtt", one, [rule.topic for rule in one.topics]) for one in config.mqtt
    ]
    brokers += [
        ("sparkplug", one, [topic for group in one.groups for topic in subscriptions(group)])
        for one in config.sparkplug
    ]
    checks += [
        _check(kind, one.url, check_broker(one, topics, environment))
        for kind, one, topics in brokers
    ]
    return await asyncio.gather(*checks)


async def _check(kind: str, address: str, work: Awaitable[str]) -> Check:
    """Run one check within the time limit."""
    shown = shown_address(address)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return Check(kind, shown, await work)
    except TimeoutError:
        return Check(kind, shown, f"No answer within {_TIMEOUT_S:g} s.")


async def _check_keys(config: CommandsConfig) -> str:
    """Return what is wrong with the owner's keys; empty if nothing is."""
    try:
        load_owner_keys(config)
    except ConnectorConfigInvalid as error:
        return str(error)
    return ""


async def _check_gateway(url: str, key: str) -> str:
    """Return what is wrong with the gateway's address or the API key; empty if nothing is."""
    try:
        async with gateway_client(url, key) as client:
            answer = await client.get(_PATH)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"No answer: {error or type(error).__name__}."
    return "" if answer.status_code == 200 else f"The gateway answers {answer.status_code}."
