"""Taking personal data out of a training file, before it is sent to where it is learned from.

Owns what is put in its place: always the same word for a kind, so that a model learns that there
something stands which it does not know. The file that is kept stays as it is.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.fine_tuning.pii import find


def scrub(content: bytes) -> tuple[bytes, Mapping[str, int]]:
    """The same file without, line by line, and how often which kind was found in messages. A line
    that cannot be read stays as it is, for whoever reads it to refuse."""
    counts = Counter[str]()
    lines = [_line(line, counts) for line in content.splitlines()]
    return b"\n".join(lines), dict(sorted(counts.items()))


def scrubbed(text: str, counts: Counter[str]) -> str:
    """The same text without."""
    parts, end = [], 0
    for found in find(text):
        parts += [text[end : found.start], f"<{found.kind}>"]
        counts[found.kind] += 1
        end = found.end
    return "".join([*parts, text[end:]])


def _line(line: bytes, counts: Counter[str]) -> bytes:
    try:
        given = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line
    messages = given.get("messages") if isinstance(given, dict) else None
    if not isinstance(messages, list):
        return line
    return msgspec.json.encode({**given, "messages": [_message(one, counts) for one in messages]})


def _message(message: Any, counts: Counter[str]) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    return (
        {**message, "content": scrubbed(content, counts)} if isinstance(content, str) else message
    )
