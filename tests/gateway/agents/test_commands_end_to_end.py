"""From an agent through gateway and connector process code to a real OPC UA server, and back."""

import asyncio
from pathlib import Path

import pytest

from gateway.plant.connector.checking import check_connector
from gateway.plant.connector.config import ConnectorConfig, load_config
from gateway.plant.connector.errors import ConnectorConfigInvalid
from gateway.plant.connector.runner import run_connector
from infra.clock import SystemClock
from tests.support.builders import Gateway
from tests.support.gateway.commanded_works import CommandedWorks
from tests.support.gateway.watched_pumps import import_pump, read
from tests.support.maas_process import free_port
from tests.support.plant.commands import CONNECTOR, TAG, point
from tests.support.waiting import until_true

asyncua = pytest.importorskip("asyncua")

_CONFIG = """
url = "{gateway}"
queue = "{folder}/queue"
source = "{connector}"
{section}
[[opcua]]
url = "{server}"
points = []
commands = [{{ node = "ns={space};s=sp", tag = "{tag}", unit = "bar" }}]
"""
_SECTION = '[commands]\naccount = "{account}"\nowner_keys = ["{folder}/owner.pem"]\npoll_s = 0.05\n'


def written(works: CommandedWorks, folder: Path, server: str, space: int) -> ConnectorConfig:
    """The configuration of a connector that trusts the owner."""
    (folder / "owner.pem").write_text(works.public)
    file = folder / "connector.toml"
    section = _SECTION.format(account=works.account, folder=folder)
    places = {"folder": folder, "connector": CONNECTOR, "tag": TAG, "section": section}
    file.write_text(_CONFIG.format(gateway=works.gateway.url, server=server, space=space, **places))
    return load_config(file)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_command_is_written_and_ends_with_the_safe_value(
    gateway: Gateway, tmp_path: Path
) -> None:
    await import_pump(gateway)
    await read(gateway, 9.0)
    works = CommandedWorks(gateway, tmp_path)
    works.journal.close()
    await works.add_limits(point(confirm_within_s=5.0, dead_man_s=1.0, safe_value=2.5))
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server = asyncua.Server()
    await server.init()
    server.set_endpoint(url)
    space = await server.register_namespace("urn:test")
    variable = await server.nodes.objects.add_variable(f"ns={space};s=sp", "sp", 4.0)
    await variable.set_writable()
    await works.agent()
    await works.tick()
    config = written(works, tmp_path, url, space)
    environment = {"MAAS_API_KEY": gateway.key.secret}

    async def is_safe() -> bool:
        (command,) = await works.listed("commands")
        return bool(command["status"] == "safe")

    async with server, asyncio.timeout(60):
        checks = await check_connector(config, environment)
        assert [(one.kind, one.problem) for one in checks[1:]] == [("opcua", ""), ("commands", "")]
        running = asyncio.create_task(run_connector(config, environment, SystemClock()))
        await until_true(is_safe)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await variable.read_value() == 2.5
    (command,) = await works.listed("commands")
    assert (command["value_before"], command["value_read"]) == (4.0, 2.5)


@pytest.mark.parametrize(
    ("section", "commands"),
    [("", "{one}"), (_SECTION, "{one}, {one}"), ("[commands]\naccount = 'x'\n", "{one}")],
)
def test_invalid_configuration_of_commands_is_refused(
    tmp_path: Path, section: str, commands: str
) -> None:
    one = f'{{ node = "ns=2;s=sp", tag = "{TAG}" }}'
    head = 'url = "http://none"\nqueue = "q"\n'
    source = f'[[opcua]]\nurl = "opc.tcp://x"\npoints = []\ncommands = [{commands}]\n'
    file = tmp_path / "connector.toml"
    file.write_text(head + section.format(account="a", folder=tmp_path) + source.format(one=one))
    with pytest.raises(ConnectorConfigInvalid):
        load_config(file)
