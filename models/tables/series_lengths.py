"""The lengths of the series of a table's instances: a call has series of one length."""

from collections.abc import Mapping, Sequence

from models.sentences import Sentence, sentence
from models.tables.instances import Value

Instance = Mapping[str, Value]

# Series of more different lengths are shortened a little to share calls: these follow each other,
# and an account's requests are limited.
MAX_LENGTHS = 50


def series_length(instance: Instance) -> int:
    """Return the number of steps of an instance's series, 0 without any."""
    return max((len(value) for value in instance.values() if isinstance(value, list)), default=0)


def used_lengths(instances: Sequence[Instance], most: int) -> list[int]:
    """Return the number of steps that are used of each instance's series.

    These are all steps, unless there are more than `most` different lengths.
    """
    lengths = [series_length(instance) for instance in instances]
    distinct = sorted(set(lengths))
    size = -(-len(distinct) // most)
    used = {length: distinct[at - at % size] for at, length in enumerate(distinct)}
    return [used[length] for length in lengths]


def group_by_length(instances: Sequence[Instance]) -> dict[int, list[int]]:
    """Return the positions of the instances of which as many steps are used, longest series first.

    There are at most MAX_LENGTHS groups. Instances without series are one, of the length 0.
    """
    members: dict[int, list[int]] = {}
    for position, length in enumerate(used_lengths(instances, MAX_LENGTHS)):
        members.setdefault(length, []).append(position)
    return dict(sorted(members.items(), reverse=True))


def last_steps(instance: Instance, length: int) -> Instance:
    """Return an instance with the last steps of its series."""
    return {
        name: value[-length:] if isinstance(value, list) else value
        for name, value in instance.items()
    }


def notes_on(instance: Instance, used: int) -> tuple[Sentence, ...]:
    """Return the note on series that are not used whole."""
    count = series_length(instance)
    if used == count:
        return ()
    return (sentence("Predicted from the last {used} of {count} rows.", used=used, count=count),)
