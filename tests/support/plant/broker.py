"""A real MQTT broker (mosquitto) on the loopback interface, and a client that publishes to it."""

import asyncio
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.maas_process import free_port
from tests.support.waiting import until_true

# Debian puts it where ordinary users have no path to.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Broker:
    """A broker of a test; `lines` are added to its configuration."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            "\n".join((
                f"listener {self.port} 127.0.0.1",
                "user root",
                "persistence true",
                f"persistence_location {folder}/",
                "log_type none",
                *lines,
            ))
        )  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        assert MOSQUITTO
        self._process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(self._file))
        await until_true(self._answers)

    async def _answers(self) -> bool:
        """Whether the broker accepts connections."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def stop(self) -> None:
        """End the broker; sessions and retained messages are kept in its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            self._process = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()
