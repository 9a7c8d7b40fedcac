"""Python packages that ship weights: where their files lie.

Owns finding them without importing them (some print when imported).
"""

from importlib.util import find_spec
from itertools import count
from pathlib import Path

from serving.errors import WeightsBroken


def package_folder(name: str) -> Path:
    """The folder of an installed package. Raises WeightsBroken where it is not installed."""
    folder = _folder(name)
    if folder is None:
        raise WeightsBroken(f"The package {name!r} is not installed.")
    return folder


def package_file(name: str, file: str) -> Path:
    """A file of an installed package. Raises WeightsBroken."""
    path = package_folder(name) / file
    if not path.is_file():
        raise WeightsBroken(f"The package {name!r} holds no {file}.")
    return path


def gguf_parts(name: str) -> tuple[Path, ...]:
    """The pieces of the GGUF in order: from `name`_part1, `name`_part2 and so on.

    Package registries limit a file's size, which is why such weights come in several packages.
    """
    package_folder(name)
    parts: list[Path] = []
    for number in count(1):
        folder = _folder(f"{name}_part{number}")
        if folder is None:
            break
        parts.extend(sorted((folder / "data").glob("*.gguf*")))
    if not parts:
        raise WeightsBroken(f"The parts of the package {name!r} are not installed.")
    return tuple(parts)


def _folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
