"""DNS look-ups of customer-chosen host names with a timeout and a bounded number of threads.

`getaddrinfo` can block for half a minute if a name server does not answer. The look-ups run in a
few separate threads, so that slow names cannot exhaust the event loop's default executor.
"""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Thread
from typing import Any

Address = IPv4Address | IPv6Address
_AddressesFuture = asyncio.Future[list[Address]]


class Resolver:
    """Resolves host names by the system's resolver within `timeout_s`.

    Uses daemon threads instead of an executor, so that a pending look-up does not keep the process
    from ending. At most `threads` run at a time; other look-ups wait.
    """

    def __init__(self, timeout_s: float = 2.0, threads: int = 2) -> None:
        self._timeout_s = timeout_s
        self._free_threads = asyncio.Semaphore(threads)

    async def __call__(self, host: str) -> list[Address]:
        """Resolve a host name. Raises OSError (socket.gaierror, TimeoutError), UnicodeError."""
        async with asyncio.timeout(self._timeout_s):
            await self._free_threads.acquire()
            return await asyncio.shield(self._start_lookup(host))

    def _start_lookup(self, host: str) -> _AddressesFuture:
        """Start the look-up in a new thread, which holds its slot until the look-up has ended."""
        answer: _AddressesFuture = asyncio.get_running_loop().create_future()
        answer.add_done_callback(self._lookup_ended)
        Thread(
            target=_resolve_in_thread, args=(host, answer), name="dns-lookup", daemon=True
        ).start()
        return answer

    def _lookup_ended(self, answer: _AddressesFuture) -> None:
        """Free the slot, and read the error: asyncio logs one that nobody has read."""
        self._free_threads.release()
        if not answer.cancelled():
            answer.exception()


def _resolve_in_thread(host: str, answer: _AddressesFuture) -> None:
    """Run in the look-up thread: set the host's addresses or an error on the future `answer`."""
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        set_answer: Any = partial(
            answer.set_result, [ip_address(sockaddr[0]) for *_, sockaddr in infos]
        )
    except (OSError, ValueError) as error:  # a UnicodeError is a ValueError
        set_answer = partial(answer.set_exception, error)
    with suppress(RuntimeError):  # the event loop was closed meanwhile
        answer.get_loop().call_soon_threadsafe(set_answer)
