"""The readings of one request, grouped by point, with the errors of those that cannot be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field

# Errors beyond these are counted only.
MAX_ERRORS = 100


@dataclass(frozen=True, slots=True)
class ReadingError:
    """Why one reading was refused: its position in the request (from 0), an error code, a text."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PointKey:
    """How a request names a point: by its tag, or by its id. `unit` is that of the values."""

    name: str
    is_id: bool = False
    unit: str = ""


@dataclass(slots=True)
class ReadingGroup:
    """The readings of one point in their order: positions, times (microseconds), values, statuses.

    Values are numbers, truth values, or None without a value; texts where the format allows them.
    """

    indexes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[object] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)


class ReadingBatch:
    """Collects the readings of a request. `total` counts all, those with errors too."""

    def __init__(self) -> None:
        self.groups: dict[PointKey, ReadingGroup] = {}
        self.errors: list[ReadingError] = []
        self.refused = 0
        self.total = 0

    def add(self, index: int, key: PointKey, time_us: int, value: object, status: int) -> None:
        """Add a reading."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = ReadingGroup()
        group.indexes.append(index)
        group.times.append(time_us)
        group.values.append(value)
        group.statuses.append(status)

    def refuse(self, index: int, code: str, message: str) -> None:
        """Count a reading with an error; the first MAX_ERRORS are stored."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(ReadingError(index, code, message))

    def refuse_group(self, key: PointKey, code: str, message: str) -> None:
        """Remove the readings of a point and count each as refused."""
        for index in self.groups.pop(key).indexes:
            self.refuse(index, code, message)

    def items(self) -> Iterator[tuple[PointKey, ReadingGroup]]:
        """Yield the points with their readings; groups may be removed meanwhile."""
        yield from list(self.groups.items())
