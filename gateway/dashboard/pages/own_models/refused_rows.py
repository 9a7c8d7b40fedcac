"""Errors of calls by the rows of the customer's table instead of those of the call."""

import re

from gateway.wire.error_bodies import Refusal
from models.tables.instances import TableInstances

# Names and values of a message may say `row` too.
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)""")
# `instances[3].load`, of the gateway.
_INSTANCE = re.compile(r"instances\[(\d+)\]")


def refused_row(refusal: Refusal) -> int | None:
    """Return which instance of its call an error is about, from 0; None if it does not say so."""
    if refusal.row is not None:
        return refusal.row
    found = _INSTANCE.match(refusal.param or "")
    return int(found[1]) if found else None


def message_on(found: TableInstances, position: int, length: int, refusal: Refusal) -> str:
    """Return what an error says of an instance of a table, with its line or machine.

    length: of the series as they were sent, 0 for rows.
    """
    row = refused_row(refusal)
    if row is None:
        return refusal.message
    line = _line(found, position, length, refusal.value)
    place = _machine(found.labels[position]) if line is None else f"line {line}"
    parts = _QUOTED.split(refusal.message.replace(f"instances[{row}].", ""))
    told = re.compile(rf"(?P<word>\b(?:in|of) )?\brow {row}\b(?:, value \d+)?", re.IGNORECASE)
    word = "of " if line is None else "in "
    # The parts between quotation marks are at even places.
    parts[::2] = [
        told.sub(lambda match: f"{word if match['word'] else ''}{place}", part)
        for part in parts[::2]
    ]
    message = "".join(parts)
    message = message if place in message else f"{place}: {message}"
    return message[:1].upper() + message[1:]


def _line(found: TableInstances, position: int, length: int, value: int | None) -> int | None:
    """Return the line of the file of a row, or of a value of a series; None if it is unknown."""
    lines = found.lines[position]
    if not length:
        return int(lines[-1])
    sent = lines[-length:]
    return int(sent[value]) if value is not None and value < len(sent) else None


def _machine(label: str) -> str:
    """Return what stands for a machine in a sentence, or for a table of one."""
    return f"the machine {label[:60]!r}" if label else "the table"
