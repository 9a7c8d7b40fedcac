"""Replace personal data in a training file with placeholders before training.

Each kind has one fixed placeholder such as `<EMAIL>`, so that a model learns that an unknown value
stands there. The stored file is unchanged.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.fine_tuning.secret_scan import find_secrets
from models.personal_data import PiiMatch, find_personal_data


def scrub_training_file(content: bytes) -> tuple[bytes, Mapping[str, int]]:
    """Scrub the messages of a JSONL file. Returns the new content and the counts by kind.

    Invalid lines are unchanged; the file's reader rejects them.
    """
    counts = Counter[str]()
    lines = [_scrub_line(line, counts) for line in content.splitlines()]
    return b"\n".join(lines), dict(sorted(counts.items()))


def scrub_text(text: str, counts: Counter[str]) -> str:
    """Replace personal data in a text with placeholders, and add to the counts by kind."""
    parts, end = [], 0
    secrets = [PiiMatch(*secret) for secret in find_secrets(text)]
    for match in find_personal_data(text, secrets):
        parts += [text[end : match.start], f"<{match.kind}>"]
        counts[match.kind] += 1
        end = match.end
    return "".join([*parts, text[end:]])


def _scrub_line(line: bytes, counts: Counter[str]) -> bytes:
    """Scrub the messages of a JSON line and add to the counts; an invalid line is unchanged."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list):
        return line
    return msgspec.json.encode(
        {**record, "messages": [_scrub_message(message, counts) for message in messages]}
    )


def _scrub_message(message: Any, counts: Counter[str]) -> Any:
    """Return a message with its text scrubbed; anything but a message is unchanged."""
    content = message.get("content") if isinstance(message, dict) else None
    return (
        {**message, "content": scrub_text(content, counts)} if isinstance(content, str) else message
    )
