"""Read a file of any supported format into a plant model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.json_model import decode_model
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import NodeKind, PlantModel, Source
from gateway.plant.formats.results import FormatInvalid
from gateway.plant.imports.exchange_formats import (
    ExchangeContent,
    PlantFile,
    read_exchange_file,
    unpacked_file,
)
from gateway.plant.maintenance.reading import find_header, read_maintenance
from gateway.plant.tag_lists.reading import read_tag_list
from models.problems import Problem, Problems
from models.sentences import message_of, sentence
from models.tables.workbooks import is_workbook


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


def read_plant_file(
    file: PlantFile, existing: PlantIndex, limits: PlantLimits, problems: Problems
) -> FileContent:
    """Return the content of a file, whose format is found by its first bytes, also in gzip.

    Adds the problems of the file to `problems`.
    """
    exchange = read_exchange_file(file)
    if exchange is not None:
        return exchange_content(exchange, problems)
    try:
        file = unpacked_file(file)
    except FormatInvalid as error:
        problems.add(_invalid(message_of(error)))
        return FileContent(PlantModel(), Source.CSV)
    content = file.content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not content:
        problems.add(
            Problem("empty_file", sentence("The file is empty."), sentence("Choose another file."))
        )
        return FileContent(PlantModel(), Source.CSV)
    if content[:1] == b"{":
        return FileContent(decode_model(file.content, problems), Source.MANUAL)
    source = Source.EXCEL if is_workbook(file.content) else Source.CSV
    header = find_header(file.content)
    if header is not None:
        table = read_maintenance(file.content, header, existing, limits, problems)
        return FileContent(table.model, source, table.lines, table.unknown_columns, only_adds=True)
    read = read_tag_list(file.content, existing, limits, problems)
    return FileContent(read.model, source, read.lines, read.unknown_columns)


def exchange_content(exchange: ExchangeContent, problems: Problems) -> FileContent:
    """Return the content of an exchange file; adds its problem and its notes to `problems`."""
    if exchange.problem is not None:
        problems.add(_invalid(exchange.problem))
    problems.notes += exchange.notes
    return FileContent(exchange.model, exchange.source)


def _invalid(message: str) -> Problem:
    """Return the problem of a file that cannot be read."""
    return Problem("file_invalid", message, sentence("Choose another file."))
