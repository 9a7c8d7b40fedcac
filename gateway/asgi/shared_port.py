"""One port for several server processes, each with a queue of new connections of its own.

Processes that accept from one queue take very different numbers of connections: whichever wakes
first empties the queue. The kernel distributes connections evenly between sockets (SO_REUSEPORT,
docs/decisions/0102-streams-workers-fairness.md).
"""

import socket
from typing import Any


class SharedPort(socket.socket):
    """A socket that is bound, not listening, and becomes a new one in each process it is sent to.

    uvicorn's supervisor sends its sockets to the processes that it starts.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how the receiving process makes its own socket of the same port."""
        return bind_shared_port, (*self.getsockname()[:2],)


def bind_shared_port(host: str, port: int) -> SharedPort:
    """Bind a port that other processes of the same user may bind too. Raises OSError.

    A port that another program listens on must be refused before: this call would share it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = SharedPort(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
