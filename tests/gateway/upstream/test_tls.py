"""Upstreams behind TLS: certificates are verified, and trusted certificates are loaded once."""

import asyncio
import ssl
from pathlib import Path

import pytest

from gateway.upstream.http1 import ConnectFailed, ConnectionPool, Origin, encode_request
from tests.support.fakes.certificates import self_signed
from tests.support.fakes.raw_server import answering, run_raw_server

pytestmark = pytest.mark.usefixtures("network")

WHOLE = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nwhole"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for this machine and its key, in one file."""
    return self_signed(tmp_path / "upstream.pem")


@pytest.fixture
def served(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def _ask(pool: ConnectionPool, origin: Origin) -> bytes | None:
    connection = await pool.acquire(origin)
    await connection.send(encode_request(b"GET", origin, "/", {}, b""))
    body = await connection.read_all(100)
    pool.release(origin, connection)
    return body


async def test_trusted_certificates_are_loaded_once(
    certificate: Path, served: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later connections trust the same certificates, although the setting is gone by then."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with run_raw_server(answering(WHOLE), tls=served) as raw:
        pool, origin = ConnectionPool(5.0, 4.0), Origin.from_url(raw.url)
        assert await _ask(pool, origin) == b"whole"
        monkeypatch.delenv("SSL_CERT_FILE")
        assert await _ask(pool, origin) == b"whole"
        assert raw.connections == 2
        pool.close()


async def test_upstream_with_untrusted_certificate_receives_no_request(
    served: ssl.SSLContext,
) -> None:
    async with run_raw_server(answering(WHOLE), tls=served) as raw:
        with pytest.raises(ConnectFailed):
            await _ask(ConnectionPool(5.0, 4.0), Origin.from_url(raw.url))
        assert raw.requests == []


async def test_upstream_without_tls_raises_connect_failed() -> None:
    server = await asyncio.start_server(_greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectFailed):
        await _ask(ConnectionPool(5.0, 4.0), Origin.from_url(f"https://127.0.0.1:{port}"))
    server.close()


async def _greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 Good day\r\n")
    writer.close()
