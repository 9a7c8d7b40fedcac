"""Collects the log lines of money events."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(record.msg, dict)
        self.lines.append(record.msg)


@contextmanager
def money_lines() -> Iterator[list[dict[str, Any]]]:
    logger, kept = logging.getLogger("maas.money"), _Kept()
    logger.addHandler(kept)
    try:
        yield kept.lines
    finally:
        logger.removeHandler(kept)
