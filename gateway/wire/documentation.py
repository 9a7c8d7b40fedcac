"""What the OpenAPI document says of a metered endpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from models.catalog import Task


@dataclass(frozen=True, slots=True)
class Examples:
    """Example requests of an endpoint by title, a response, and a stream if it supports one."""

    requests: Mapping[str, Any]
    answer: Any
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Documentation:
    """An endpoint in the OpenAPI document.

    `request` and `answer` are the types from which its schemas come. `examples` returns the
    examples with a model, which is the first one of the catalog with the task `example_task`.
    """

    request: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    summary: str
    examples: Callable[[str], Examples]
    example_task: Task
    description: str = ""
