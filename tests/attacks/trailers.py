"""Endless HTTP trailer fields, and headers sent as trailers.

Four connections without a key send 60 MiB of trailer fields each; then a key comes in a trailer
alone, and a trailer names another client address than the proxy did.
"""

import asyncio
import json
import sys

import httpx
import psutil

from gateway.access.key_scopes import Scope, change_scope
from gateway.identity.audit_log import CLI_ACTOR
from infra.clock import SystemClock
from tests.attacks.support.target import Target, run_target
from tests.support.builders import CHAT
from tests.support.raw_http import wire_to

CONNECTIONS, TRAILERS_MIB = 4, 60
MOST_GROWTH_MIB = 32
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n%b\r\n"
MESSAGE = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def attack() -> bool:
    async with run_target(trusted_proxies="127.0.0.1") as target:
        held = [await _floods(target), await _key_in_trailer(target), await _address(target)]
    return all(held)


async def _floods(target: Target) -> bool:
    await _status(target, b"", b"")
    before = target.memory_mib()
    async with asyncio.TaskGroup() as group:
        floods = [group.create_task(_flood(target)) for _ in range(CONNECTIONS)]
        watch = asyncio.create_task(_peak(target))
    watch.cancel()
    peak, sent = max(await watch, target.memory_mib()), sum(one.result() for one in floods)
    tell(f"{CONNECTIONS} connections, {sent / (1 << 20):.1f} MiB of trailers sent or buffered")
    tell(f"memory: {before:.0f} -> {peak:.0f} MiB")
    return peak - before <= MOST_GROWTH_MIB


async def _flood(target: Target) -> int:
    """The bytes of trailer fields sent before the server closed the connection."""
    part, sent = (b"x-f: " + b"a" * 57 + b"\r\n") * 1024, 0
    async with wire_to(target.url) as wire:
        await wire.send(HEAD % b"" + b"0\r\n")
        while sent < TRAILERS_MIB << 20 and not wire.reader.at_eof():
            try:
                wire.writer.write(part)
                await wire.writer.drain()
            except ConnectionError:
                break
            sent += len(part)
        await asyncio.sleep(1)
    return sent


async def _peak(target: Target) -> float:
    peak = 0.0
    try:
        while True:
            peak = max(peak, target.memory_mib())
            await asyncio.sleep(0.05)
    except (asyncio.CancelledError, psutil.Error):
        return peak


async def _key_in_trailer(target: Target) -> bool:
    trailer = b"authorization: Bearer %b\r\n" % target.key.secret.encode()
    status = await _status(target, b"", trailer)
    async with httpx.AsyncClient(base_url=target.url, headers=target.headers) as http:
        rows = (await http.get("/v1/usage")).json()["data"]
    billed = [row for row in rows if float(row["cost"])]
    tell(f"a key in a trailer only: status {status}, {len(billed)} calls billed")
    return status == 401 and not billed


async def _address(target: Target) -> bool:
    """The key is limited to one network, and the proxy sends an address outside of it."""
    async with target.database.transaction() as session:
        scope = Scope(networks=["203.0.113.0/24"])
        place = target.account.id, target.key.row.id, scope
        await change_scope(session, SystemClock(), CLI_ACTOR, *place)
    await asyncio.sleep(1)  # every gateway keeps to it within a second
    head = b"authorization: Bearer %b\r\nx-forwarded-for: 198.51.100.9\r\n"
    trailer = b"x-forwarded-for: 203.0.113.7\r\n"
    status = await _status(target, head % target.key.secret.encode(), trailer)
    tell(f"x-forwarded-for in a trailer, against the proxy's: status {status}")
    return status == 403


async def _status(target: Target, headers: bytes, trailers: bytes) -> int | None:
    body = json.dumps(MESSAGE).encode()
    async with wire_to(target.url) as wire:
        await wire.send(HEAD % headers + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers))
        answer = await wire.answer()
    return None if answer is None else answer.status


def main() -> int:
    return 0 if asyncio.run(attack()) else 1


if __name__ == "__main__":
    sys.exit(main())
