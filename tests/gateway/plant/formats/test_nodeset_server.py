"""An exported NodeSet in a real OPC UA server, read by a real client."""

import pytest
from asyncua import Client, Server, ua

from gateway.plant.formats.nodeset.writer import write_nodeset
from tests.support.nightly import nightly
from tests.support.plants import connected_station


@nightly
@pytest.mark.usefixtures("network")
async def test_server_loads_an_exported_nodeset_and_a_client_browses_it() -> None:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    content = write_nodeset(connected_station()).content
    await server.import_xml(xmlstring=content.decode())
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]
        async with Client(f"opc.tcp://127.0.0.1:{port}") as client:
            index = await client.get_namespace_index("urn:maas:plant")
            site = await client.nodes.objects.get_child([f"{index}:S1"])
            pump = await site.get_child([f"{index}:P-1"])
            point = await pump.get_child([f"{index}:S1.P1.T"])
            unit = await (await point.get_child(["0:EngineeringUnits"])).read_value()
            limits = await (await point.get_child(["0:EURange"])).read_value()
            weight = await (await pump.get_child([f"{index}:Weight"])).read_value()
            name = (await pump.read_display_name()).Text
    assert (unit.UnitId, unit.DisplayName.Text) == (0x43454C, "degC")
    assert (limits.Low, limits.High) == (-10, 120.5)
    assert (weight, name) == ("55", "Pump 一")
