"""Read the points of an asset, and where their values are kept, from Time Series Data."""

from collections.abc import Iterator, Mapping

import aas_core3.types as aas

from gateway.plant.assets.values import Concept, DataType, Point, Property
from gateway.plant.formats.aas.elements import extension, semantics, stated_unit
from gateway.plant.formats.aas.semantics import READINGS_PATH, SERIES_RECORD, SERIES_TERMS
from gateway.plant.formats.aas.texts import preferred_text
from gateway.plant.formats.brick.terms import BRICK
from gateway.plant.formats.numbers import read_number
from gateway.plant.formats.results import NoteCode, NoteCollector
from gateway.plant.formats.units import from_text

_LINK_PARTS = ("Endpoint", "Query", "File")
_XSD = aas.DataTypeDefXSD
_TEXTS = frozenset(
    {
        _XSD.STRING,
        _XSD.ANY_URI,
        _XSD.DATE,
        _XSD.DATE_TIME,
        _XSD.DURATION,
        _XSD.TIME,
        _XSD.BASE_64_BINARY,
        _XSD.HEX_BINARY,
    }
)


def read_series(
    submodel: aas.Submodel, asset: str, units: Mapping[str, str], notes: NoteCollector
) -> Iterator[Point]:
    """Yield the points of the asset with this code: the variables of the record in the metadata.

    `units` are those of concept descriptions by id. Segments with records of their own are noted.
    """
    for element in submodel.submodel_elements or ():
        if element.id_short == "Metadata" and isinstance(element, aas.SubmodelElementCollection):
            for record in element.value or ():
                if semantics(record) == SERIES_RECORD or record.id_short == "Record":
                    yield from read_record(record, asset, units, notes)
        else:
            for name, segment in _segments(element):
                if not _links(segment) and not name.startswith("LinkedSegment"):
                    notes.add(NoteCode.ELEMENT_SKIPPED, f"{element.id_short}.{name}")


def read_segments(submodel: aas.Submodel) -> dict[str, Property]:
    """Return where the values of a submodel are kept elsewhere, as properties of the asset.

    Linked segments have an address and a query, external ones a file. Those of our own export are
    left out: they name the readings of this plant.
    """
    properties: dict[str, Property] = {}
    for element in submodel.submodel_elements or ():
        for name, segment in _segments(element):
            links = _links(segment)
            if any(READINGS_PATH in one for one in links.values()):
                continue
            for part, text in links.items():
                properties[f"TimeSeries.{name}.{part}"] = Property(text)
    return properties


def _segments(
    element: aas.SubmodelElement,
) -> Iterator[tuple[str, aas.SubmodelElementCollection]]:
    """Yield the segments in an element with their names; none in the metadata."""
    if element.id_short == "Metadata" or not isinstance(element, aas.SubmodelElementCollection):
        return
    for segment in element.value or ():
        if isinstance(segment, aas.SubmodelElementCollection):
            yield segment.id_short or "Segment", segment


def _links(segment: aas.SubmodelElementCollection) -> dict[str, str]:
    """Return the address and query, or the file, of a segment."""
    links = {}
    for one in segment.value or ():
        value = one.value if isinstance(one, aas.Property | aas.File) else None
        if one.id_short in _LINK_PARTS and value:
            links[str(one.id_short)] = value
    return links


def read_record(
    record: aas.SubmodelElement,
    asset: str | None,
    units: Mapping[str, str],
    notes: NoteCollector,
) -> Iterator[Point]:
    """Yield the points of a record, of an asset or of none; the record's time is no point."""
    if not isinstance(record, aas.SubmodelElementCollection):
        return
    for variable in record.value or ():
        if semantics(variable).startswith(SERIES_TERMS):
            continue
        if isinstance(variable, aas.Property):
            yield _point(variable, asset, units)
        else:
            notes.add(NoteCode.ELEMENT_SKIPPED, f"Metadata.Record.{variable.id_short}")


def _point(variable: aas.Property, asset: str | None, units: Mapping[str, str]) -> Point:
    """Return the point of a variable."""
    concept = semantics(variable)
    unit = stated_unit(variable) or units.get(concept, "")
    return Point(
        extension(variable, "tag") or ".".join(filter(None, (asset, variable.id_short))),
        extension(variable, "name") or preferred_text(variable.display_name),
        asset,
        from_text(unit),
        _data_type(variable.value_type),
        read_number(extension(variable, "low")),
        read_number(extension(variable, "high")),
        Concept(_scheme(variable, concept), concept) if concept else None,
    )


def _scheme(variable: aas.Property, concept: str) -> str:
    """Return the scheme of a concept."""
    if kept := extension(variable, "conceptScheme"):
        return kept
    return "brick" if concept.startswith(BRICK) else "aas"


def _data_type(value_type: aas.DataTypeDefXSD) -> DataType:
    """Return the type of a point's values."""
    if value_type is _XSD.BOOLEAN:
        return DataType.BOOLEAN
    return DataType.TEXT if value_type in _TEXTS else DataType.NUMBER
