"""Anomaly detectors: a training file is hours of normal operation, or a table of own columns.

Hours (JSON lines, one gapless stretch of rows per line) train `models/anomaly/`, which continues
from a returned state. Tables train `models/monitoring/`, which is called with the last steps.
"""

import json

from models.adaptation import TrainingFileInvalid
from models.problems import single_problem
from models.sentences import sentence
from models.tables.schema import NO_SCHEMA, SchemaRequest

ADAPTER = "anomaly"
"""The name of the catalog's `adapter` of anomaly detectors."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def is_table(training_file: bytes) -> bool:
    """Return whether a file is a table: no JSON lines, or JSON lines with one value per column."""
    if training_file.startswith(_UTF_16_MARKS):
        training_file = training_file.decode("utf-16", "replace").encode()
    text = training_file.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not text or not text.startswith(b"{"):
        return bool(text)
    try:
        first = json.loads(text.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return False
    return "sensors" not in first and not any(
        isinstance(value, dict | list) for value in first.values()
    )


def require_no_schema(schema: SchemaRequest) -> None:
    """Raise TrainingFileInvalid if columns are stated for a file of hours, which has none."""
    if schema != NO_SCHEMA:
        raise unsupported_setting(
            sentence("`schema` applies to tables only."),
            sentence("Leave it out, or upload a table."),
        )


def unsupported_setting(message: str, fix: str) -> TrainingFileInvalid:
    """Return the error of a setting that the kind of file does not have."""
    problems = single_problem("unsupported_setting", message, fix)
    return TrainingFileInvalid(message, problems=problems)
