"""Resolver: lookups in a few own threads with a timeout; errors are raised unchanged."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from threading import Event
from threading import enumerate as threads
from typing import Any

import pytest

from infra.outbound.resolver import Resolver


@pytest.fixture
def answering() -> Iterator[Event]:
    """An event that ends slow lookups; set at the end of each test."""
    event = Event()
    yield event
    event.set()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, answering: Event) -> list[str]:
    """The names looked up; those that start with `slow` return after the event."""
    names: list[str] = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        names.append(host)
        if host.startswith("slow"):
            answering.wait(timeout=60)
        return [(0, 0, 0, "", ("8.8.8.8", 0)), (0, 0, 0, "", ("fd00::7", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
async def logged() -> AsyncIterator[list[Any]]:
    """The errors that the event loop logs."""
    loop, errors = asyncio.get_running_loop(), list[Any]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    yield errors
    loop.set_exception_handler(before)


async def test_resolver_returns_all_addresses_of_a_name(asked: list[str]) -> None:
    found = await Resolver()("hook.example")
    assert found == [ip_address("8.8.8.8"), ip_address("fd00::7")]
    assert asked == ["hook.example"]


async def test_resolver_returns_an_address_without_dns() -> None:
    assert await Resolver()("127.0.0.1") == [ip_address("127.0.0.1")]


@pytest.mark.parametrize("host", ["x" * 300, "a\0b", "nowhere.invalid"])
async def test_resolver_raises_the_system_error_for_an_unknown_name(host: str) -> None:
    with pytest.raises((OSError, ValueError)):
        await Resolver()(host)


async def test_slow_lookup_raises_timeout_error(asked: list[str]) -> None:
    with pytest.raises(TimeoutError):
        await Resolver(timeout_s=0.05)("slow.example")
    assert asked == ["slow.example"]


async def test_slow_lookups_use_only_the_threads_of_the_resolver(
    asked: list[str],
) -> None:
    resolver = Resolver(timeout_s=0.05)
    slow = [resolver(f"slow-{number}.example") for number in range(20)]
    results = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(one) for one in results} == {TimeoutError}
    assert len(asked) == 2
    assert len([one for one in threads() if one.name == "dns-lookup"]) == 2
    # The threads of the event loop stay free, for example for the names of model servers.
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 10) == "free"


async def test_cancelled_lookup_keeps_its_thread_until_it_ends(
    asked: list[str], answering: Event
) -> None:
    resolver = Resolver(timeout_s=10, threads=1)
    leaving = asyncio.create_task(resolver("slow.example"))
    while not asked:  # noqa: ASYNC110  # a thread sets it
        await asyncio.sleep(0.01)
    leaving.cancel()
    waiting = asyncio.create_task(resolver("next.example"))
    await asyncio.sleep(0)
    assert asked == ["slow.example"]
    answering.set()
    assert await waiting
    assert asked == ["slow.example", "next.example"]


async def test_error_of_a_lookup_that_nobody_awaits_any_more_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, answering: Event, logged: list[Any]
) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        answering.wait(timeout=60)
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    resolver = Resolver(timeout_s=0.05, threads=1)
    with pytest.raises(TimeoutError):
        await resolver("slow.example")
    (late,) = [one for one in threads() if one.name == "dns-lookup" and one.is_alive()]
    answering.set()
    late.join(timeout=10)
    await asyncio.sleep(0)  # the error is set on the future, whose callbacks run next
    await asyncio.sleep(0)
    gc.collect()
    assert logged == []


def test_event_loop_ends_without_waiting_for_a_slow_lookup(
    asked: list[str], answering: Event
) -> None:
    """As in a command, which prints its result and exits before DNS has responded."""
    with pytest.raises(TimeoutError):
        asyncio.run(Resolver(timeout_s=0.05)("slow.example"))
    (left,) = [one for one in threads() if one.name == "dns-lookup" and one.is_alive()]
    assert left.daemon
    answering.set()
    left.join(timeout=10)
    assert not left.is_alive()
