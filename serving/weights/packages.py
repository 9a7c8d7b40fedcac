"""Find the files of Python packages that ship weights.

Packages are located without importing them, because some print on import.
"""

from importlib.util import find_spec
from itertools import count
from pathlib import Path

from serving.errors import WeightsBroken


def package_folder(name: str) -> Path:
    """Return the folder of an installed package. Raises WeightsBroken if it is not installed."""
    folder = _find_package(name)
    if folder is None:
        raise WeightsBroken(f"The package {name!r} is not installed.")
    return folder


def package_file(name: str, file: str) -> Path:
    """Return the path of a file in an installed package. Raises WeightsBroken if it is missing."""
    path = package_folder(name) / file
    if not path.is_file():
        raise WeightsBroken(f"The package {name!r} does not contain {file}.")
    return path


def gguf_parts(name: str) -> tuple[Path, ...]:
    """Return the parts of a GGUF file in order, from the packages `name`_part1, `name`_part2, …

    Such weights come in several packages because package registries limit the file size.
    Raises WeightsBroken if none is installed.
    """
    package_folder(name)
    parts: list[Path] = []
    for number in count(1):
        folder = _find_package(f"{name}_part{number}")
        if folder is None:
            break
        parts.extend(sorted((folder / "data").glob("*.gguf*")))
    if not parts:
        raise WeightsBroken(f"The parts of the package {name!r} are not installed.")
    return tuple(parts)


def _find_package(name: str) -> Path | None:
    """Return the folder of an installed package, None if it is not installed."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
