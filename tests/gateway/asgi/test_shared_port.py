"""A port shared by processes: each has its own queue of connections, and all get some."""

import select
import socket
from multiprocessing.reduction import ForkingPickler

import pytest

from gateway.asgi.shared_port import SharedPort, bind_shared_port


def of_another_process(sent: SharedPort) -> SharedPort:
    """The socket that a process gets that a shared port is sent to."""
    received = ForkingPickler.loads(ForkingPickler.dumps(sent))
    assert isinstance(received, SharedPort)
    return received


pytestmark = pytest.mark.usefixtures("network")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_processes_listen_on_sockets_of_their_own_on_one_port(host: str) -> None:
    with bind_shared_port(host, 0) as sent, of_another_process(sent) as first:
        with of_another_process(sent) as second:
            first.listen(64)
            second.listen(64)
            assert first.getsockname() == second.getsockname() == sent.getsockname()
            clients = [socket.create_connection(sent.getsockname()[:2]) for _ in range(40)]
            assert len(select.select([first, second], [], [])[0]) == 2
            for client in clients:
                client.close()


def test_port_that_is_not_shared_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        bind_shared_port(*other.getsockname())
