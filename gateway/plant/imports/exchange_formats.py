"""Read an exchange file (Brick, AAS, NodeSet) into a plant model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.plant.assets.values import PlantModel, Source
from gateway.plant.formats.compression import unpacked
from gateway.plant.formats.results import FormatInvalid, ImportedModel
from infra.lazy_import import LazyModule
from infra.sentences import Sentence
from models.sentences import message_of, sentence

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
class ExchangeContent:
    """The model of an exchange file, its format, and notes on what the model has no place for.

    `problem` is why the file cannot be read; the model is empty then.
    """

    source: Source
    model: PlantModel = PlantModel()  # noqa: RUF009  # frozen
    notes: tuple[Sentence, ...] = ()
    problem: str | None = None


_Reader = Callable[[bytes], ImportedModel]
# An AASX package has a part of this name, which a ZIP archive contains uncompressed.
_AASX_ORIGIN = b"aasx-origin"
_AAS_KEYS = (b'"assetAdministrationShells"', b'"submodels"', b'"conceptDescriptions"')
_HEAD_BYTES = 4096
_SHOWN_SUBJECTS = 5


def unpacked_file(file: PlantFile) -> PlantFile:
    """Return a file without compression by gzip. Raises FormatInvalid."""
    return PlantFile(file.name.removesuffix(".gz"), unpacked(file.content))


def read_exchange_file(file: PlantFile) -> ExchangeContent | None:
    """Return the content of an exchange file, also in gzip; None for a file of another kind."""
    try:
        file = unpacked_file(file)
    except FormatInvalid as error:
        return ExchangeContent(Source.CSV, problem=message_of(error))
    found = _exchange_format(file, file.content.removeprefix(b"\xef\xbb\xbf").lstrip())
    if found is None:
        return None
    read, source = found
    try:
        imported = read(file.content)
    except FormatInvalid as error:
        return ExchangeContent(source, problem=message_of(error))
    return ExchangeContent(source, imported.model, _notes(imported))


def _notes(imported: ImportedModel) -> tuple[Sentence, ...]:
    """Return the notes of a file as sentences."""
    return tuple(
        sentence(
            "{what} ({count}): {subjects}",
            what=note.text,
            count=note.count,
            subjects=", ".join(note.subjects[:_SHOWN_SUBJECTS]),
        )
        for note in imported.notes
    )


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
