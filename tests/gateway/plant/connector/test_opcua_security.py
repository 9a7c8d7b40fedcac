"""A real OPC UA server that requires a user and signed, encrypted messages: reading and writing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.plant.connector.commands.config import NodeCommand
from gateway.plant.connector.commands.opcua_target import OpcUaTarget
from gateway.plant.connector.commands.targets import TargetAccessDenied, TargetUnreachable
from gateway.plant.connector.config import OpcUaConfig, PointConfig
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.opcua_connection import OpcUaConnection
from gateway.plant.connector.opcua_source import check_server, read_server
from gateway.plant.connector.retrying import Connections
from infra.clock import SystemClock
from tests.support.maas_process import free_port
from tests.support.plant.collecting import new_metrics

asyncua = pytest.importorskip("asyncua")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PASSWORD = "s3cret-of-the-line"
ENVIRONMENT = {"OPCUA_PASSWORD": PASSWORD}
SECURE: dict[str, Any] = {
    "username": "maas",
    "password_variable": "OPCUA_PASSWORD",
    "security": "sign_and_encrypt",
}


class Users:
    """One user with a password; nobody else."""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> Any:
        rules = asyncua.crypto.permission_rules
        known = (username, password) == ("maas", PASSWORD)
        return rules.User(role=rules.UserRole.Admin) if known else None


@pytest.fixture(scope="module")
async def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Keys and self-signed certificates of the server and of two clients."""
    found, folder = {}, tmp_path_factory.mktemp("certificates")
    for name in ("server", "client", "other"):
        found[name], found[f"{name}-key"] = folder / f"{name}.der", folder / f"{name}.pem"
        await asyncua.crypto.cert_gen.setup_self_signed_certificate(
            found[f"{name}-key"],
            found[name],
            f"urn:test:{name}",
            "localhost",
            [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH],
            {"commonName": name},
        )
    return found


@asynccontextmanager
async def serving(files: dict[str, Path], *modes: str) -> AsyncIterator[tuple[str, Any, str]]:
    """A server that takes only these security modes and the user; yields address and variable."""
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server = asyncua.Server(user_manager=Users())
    await server.init()
    server.set_endpoint(url)
    await server.set_application_uri("urn:test:server")
    server.set_security_policy([getattr(asyncua.ua.SecurityPolicyType, mode) for mode in modes])
    server.set_identity_tokens([asyncua.ua.UserNameIdentityToken])
    await server.load_certificate(str(files["server"]))
    await server.load_private_key(str(files["server-key"]))
    space = await server.register_namespace("urn:test")
    kind = asyncua.ua.VariantType.Float
    variable = await server.nodes.objects.add_variable(f"ns={space};s=sp", "sp", 3.0, kind)
    await variable.set_writable()
    async with server, asyncio.timeout(60):
        yield url, variable, f"ns={space};s=sp"


def connection(
    url: str, files: dict[str, Path], node: str, environment: Any = None, **fields: Any
) -> OpcUaConnection:
    named = {
        "certificate_file": str(files["client"]),
        "private_key_file": str(files["client-key"]),
        "server_certificate_file": str(files["server"]),
    }
    config = OpcUaConfig(url, [PointConfig(node, "P")], 10.0, **{**SECURE, **named, **fields})
    return OpcUaConnection.of(config, ENVIRONMENT if environment is None else environment)


async def write(to: OpcUaConnection, node: str, value: float) -> float | None:
    async with OpcUaTarget(to, NodeCommand(node=node, tag="P")).open() as channel:
        await channel.write(value)
        return await channel.confirm(lambda read: read == value, 5.0)


async def test_server_with_user_and_security_is_read_and_written(
    network: None, files: dict[str, Path]
) -> None:
    modes = ("Basic256Sha256_SignAndEncrypt", "Basic256Sha256_Sign")
    async with serving(files, *modes) as (url, variable, node):
        to = connection(url, files, node)
        assert await check_server(to) == ""
        signed = connection(url, files, node, security="sign")
        assert await write(signed, node, 5.0) == 5.0
        assert await write(to, node, 4.0) == 4.0
        read: asyncio.Queue[float | None] = asyncio.Queue()
        connections = Connections(url, SystemClock(), new_metrics())
        reading = asyncio.create_task(
            read_server(to, lambda tag, one: read.put_nowait(one.value), SystemClock(), connections)
        )
        assert await read.get() == 4.0
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await variable.read_value() == 4.0


async def test_wrong_credentials_are_refused_clearly_and_nothing_is_written(
    network: None, files: dict[str, Path]
) -> None:
    async with serving(files, "Basic256Sha256_SignAndEncrypt") as (url, variable, node):
        wrong = connection(url, files, node, {"OPCUA_PASSWORD": "guessed"})
        with pytest.raises(TargetAccessDenied):
            await write(wrong, node, 4.0)
        assert "refuses the user" in await check_server(wrong)
        nobody = connection(url, files, node, username=None, password_variable=None)
        with pytest.raises(TargetUnreachable):
            await write(nobody, node, 4.0)
        bare = connection(url, files, node, security="none")
        with pytest.raises(TargetUnreachable):
            await write(bare, node, 4.0)
        # The certificate of another server: its messages cannot be decrypted.
        false = connection(url, files, node, server_certificate_file=str(files["other"]))
        with pytest.raises(TargetUnreachable):
            await write(false, node, 4.0)
        assert await variable.read_value() == 3.0


@pytest.mark.parametrize(
    ("fields", "environment", "said"),
    [
        ({}, {}, "Set OPCUA_PASSWORD"),
        ({"password_variable": None}, {}, "both `username` and a password"),
        ({"password_variable": None, "password_file": "/none"}, {}, "cannot be read"),
        ({"server_certificate_file": None}, ENVIRONMENT, "server_certificate_file"),
        ({"certificate_file": "/none"}, ENVIRONMENT, "cannot be used"),
    ],
)
def test_missing_secret_or_file_is_named_at_the_start(
    files: dict[str, Path], fields: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ConnectorConfigInvalid, match=said):
        connection("opc.tcp://127.0.0.1:1/", files, "ns=2;s=sp", environment, **fields)
