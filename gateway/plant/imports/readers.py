"""Read a file of any supported format into a plant model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.json_model import decode_model
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import NodeKind, PlantModel, Source
from gateway.plant.tag_lists.reading import read_tag_list
from models.problems import Problem, Problems
from models.sentences import sentence
from models.tables.workbooks import is_workbook


@dataclass(frozen=True, slots=True)
class PlantFile:
    """A file to import: its name and content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class FileContent:
    """The model of a file and its format, the lines of nodes, and the columns not read."""

    model: PlantModel
    source: Source
    lines: Mapping[tuple[NodeKind, str], int] = field(default_factory=dict)
    unknown_columns: tuple[str, ...] = ()


def read_plant_file(
    file: PlantFile, existing: PlantIndex, limits: PlantLimits, problems: Problems
) -> FileContent:
    """Return the content of a file, whose format is found by its first bytes.

    Adds the problems of the file to `problems`.
    """
    if not file.content.strip():
        problems.add(Problem("empty_file", sentence("The file is empty."), "Choose another file."))
        return FileContent(PlantModel(), Source.CSV)
    if file.content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return FileContent(decode_model(file.content, problems), Source.MANUAL)
    source = Source.EXCEL if is_workbook(file.content) else Source.CSV
    read = read_tag_list(file.content, existing, limits, problems)
    return FileContent(read.model, source, read.lines, read.unknown_columns)
