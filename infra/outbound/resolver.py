"""Host name lookups with bounded time and threads, for names that a customer chose.

`getaddrinfo` blocks, and a name server that does not answer can block it for half a minute. The
lookups run in a few threads of their own, so that slow names cannot use up the event loop's default
threads.
"""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Thread
from typing import Any

Address = IPv4Address | IPv6Address
_Answer = asyncio.Future[list[Address]]


class Resolver:
    """Resolves names as deliveries do, by the system's resolver, within `timeout_s`.

    The threads are daemons rather than an executor's: one that still waits for DNS does not keep
    the process from ending. At most `threads` exist at a time, and other lookups wait.
    """

    def __init__(self, timeout_s: float = 2.0, threads: int = 2) -> None:
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(threads)

    async def __call__(self, host: str) -> list[Address]:
        """The addresses of a name. Raises OSError (socket.gaierror, TimeoutError), UnicodeError."""
        async with asyncio.timeout(self._timeout_s):
            await self._free.acquire()
            return await asyncio.shield(self._begin(host))

    def _begin(self, host: str) -> _Answer:
        """Look up in a new thread, which counts as taken until it has ended its lookup."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda _: self._free.release())
        Thread(target=_look_up, args=(host, answer), name="dns-lookup", daemon=True).start()
        return answer


def _look_up(host: str, answer: _Answer) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        settle: Any = partial(answer.set_result, [ip_address(place[0]) for *_, place in found])
    except (OSError, ValueError) as error:  # a UnicodeError is a ValueError
        settle = partial(answer.set_exception, error)
    with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
        answer.get_loop().call_soon_threadsafe(settle)
