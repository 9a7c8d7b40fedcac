"""Read a file of any supported format into a plant model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.json_model import decode_model
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import NodeKind, PlantModel, Source
from gateway.plant.formats.compression import unpacked
from gateway.plant.formats.results import FormatInvalid, ImportedModel
from gateway.plant.maintenance.reading import find_header, read_maintenance
from gateway.plant.tag_lists.reading import read_tag_list
from infra.lazy_import import LazyModule
from models.problems import Problem, Problems
from models.sentences import sentence
from models.tables.workbooks import is_workbook

# The classes of the AAS metamodel take a third of a second to import.
if TYPE_CHECKING:
    from gateway.plant.formats.aas import reader as aas_reader
    from gateway.plant.formats.brick import reader as brick_reader
    from gateway.plant.formats.nodeset import reader as nodeset_reader
else:
    aas_reader = LazyModule("gateway.plant.formats.aas.reader")
    brick_reader = LazyModule("gateway.plant.formats.brick.reader")
    nodeset_reader = LazyModule("gateway.plant.formats.nodeset.reader")


@dataclass(frozen=True, slots=True)
class PlantFile:
    """A file to import: its name and content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class FileContent:
    """The model of a file and its format, the lines of nodes, and the columns not read.

    `only_adds` is set for files that never have the whole plant, such as lists of work orders.
    """

    model: PlantModel
    source: Source
    lines: Mapping[tuple[NodeKind, str], int] = field(default_factory=dict)
    unknown_columns: tuple[str, ...] = ()
    only_adds: bool = False


_Reader = Callable[[bytes], ImportedModel]
# An AASX package has a part of this name, which a ZIP archive contains uncompressed.
_AASX_ORIGIN = b"aasx-origin"
_AAS_KEYS = (b'"assetAdministrationShells"', b'"submodels"', b'"conceptDescriptions"')
_HEAD_BYTES = 4096
_SHOWN_SUBJECTS = 5


def read_plant_file(
    file: PlantFile, existing: PlantIndex, limits: PlantLimits, problems: Problems
) -> FileContent:
    """Return the content of a file, whose format is found by its first bytes, also in gzip.

    Adds the problems of the file to `problems`.
    """
    try:
        file = PlantFile(file.name.removesuffix(".gz"), unpacked(file.content))
    except FormatInvalid as error:
        problems.add(Problem("file_invalid", str(error), sentence("Choose another file.")))
        return FileContent(PlantModel(), Source.CSV)
    content = file.content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not content:
        problems.add(
            Problem("empty_file", sentence("The file is empty."), sentence("Choose another file."))
        )
        return FileContent(PlantModel(), Source.CSV)
    exchange = _exchange_format(file, content)
    if exchange is not None:
        return _read_exchange_format(file, *exchange, problems)
    if content[:1] == b"{":
        return FileContent(decode_model(file.content, problems), Source.MANUAL)
    source = Source.EXCEL if is_workbook(file.content) else Source.CSV
    header = find_header(file.content)
    if header is not None:
        table = read_maintenance(file.content, header, existing, limits, problems)
        return FileContent(table.model, source, table.lines, table.unknown_columns, only_adds=True)
    read = read_tag_list(file.content, existing, limits, problems)
    return FileContent(read.model, source, read.lines, read.unknown_columns)


def _exchange_format(file: PlantFile, content: bytes) -> tuple[_Reader, Source] | None:
    """Return the reader of a Brick model, an AAS or a NodeSet; None for other files."""
    head = content[:_HEAD_BYTES]
    if content.startswith(b"PK") and _AASX_ORIGIN in content:
        return aas_reader.read_aas, Source.AAS
    if content.startswith(b"{") and any(key in content for key in _AAS_KEYS):
        return aas_reader.read_aas, Source.AAS
    if content.startswith(b"<?xml") or (content.startswith(b"<") and b"xmlns" in head):
        return (
            (nodeset_reader.read_nodeset, Source.NODESET)
            if b"UANodeSet" in head
            else (aas_reader.read_aas, Source.AAS)
        )
    is_turtle = file.name.lower().endswith(".ttl") or b"@prefix" in head.lower()
    return (brick_reader.read_brick, Source.BRICK) if is_turtle else None


def _read_exchange_format(
    file: PlantFile, read: _Reader, source: Source, problems: Problems
) -> FileContent:
    """Return the content of a file, with notes on what the plant model has no place for."""
    try:
        found = read(file.content)
    except FormatInvalid as error:
        problems.add(Problem("file_invalid", error.args[0], sentence("Choose another file.")))
        return FileContent(PlantModel(), source)
    for note in found.notes:
        subjects = ", ".join(note.subjects[:_SHOWN_SUBJECTS])
        problems.notes.append(
            sentence(
                "{what} ({count}): {subjects}", what=note.text, count=note.count, subjects=subjects
            )
        )
    return FileContent(found.model, source)
