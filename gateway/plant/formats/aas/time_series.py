"""The submodel Time Series Data (IDTA 02008-1-1): points of an asset, and where to read them."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import aas_core3.types as aas

from gateway.plant.assets.values import Asset, DataType, Point
from gateway.plant.formats.aas.elements import (
    collection,
    extensions,
    multi_language,
    semantic_id,
    submodel,
    text_property,
    unit_specification,
)
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import (
    EXTERNAL_SEGMENT,
    LINKED_SEGMENT,
    SEGMENT_ENDPOINT,
    SEGMENT_FILE,
    SEGMENT_NAME,
    SEGMENT_QUERY,
    SERIES_METADATA,
    SERIES_NAME,
    SERIES_RECORD,
    SERIES_SEGMENTS,
    SERIES_TIME,
    TIME_SERIES,
)
from gateway.plant.formats.aas.texts import IdShorts, display_name
from gateway.plant.formats.numbers import number_text

KIND = "time-series"
_POINTS_PER_SEGMENT = 50
# Of the metamodel's type of paths.
_MAX_PATH = 2_000
_VALUE_TYPES = {
    DataType.NUMBER: aas.DataTypeDefXSD.DOUBLE,
    DataType.BOOLEAN: aas.DataTypeDefXSD.BOOLEAN,
    DataType.TEXT: aas.DataTypeDefXSD.STRING,
}


def build_time_series(
    asset: Asset, points: Sequence[Point], namespace: Namespace, readings_url: str
) -> aas.Submodel | None:
    """Return the points of an asset, None if it has none.

    `readings_url` is the address that returns readings; the query of a segment names its points.
    """
    if not points:
        return None
    time = aas.Property(
        aas.DataTypeDefXSD.DATE_TIME, id_short="Time", semantic_id=semantic_id(SERIES_TIME)
    )
    names = IdShorts("Time")
    record: list[aas.SubmodelElement] = [time]
    record += [build_variable(names.add(point.tag), point) for point in points]
    metadata: list[aas.SubmodelElement] = [
        multi_language("Name", asset.name or asset.code, SERIES_NAME),
        collection("Record", record, SERIES_RECORD),
    ]
    segments = [*_linked(points, readings_url), *_external(points, readings_url)]
    elements: list[aas.SubmodelElement] = [
        collection("Metadata", metadata, SERIES_METADATA),
        collection("Segments", segments, SERIES_SEGMENTS),
    ]
    identifier = namespace.submodel(KIND, asset.code)
    return submodel(identifier, "TimeSeries", TIME_SERIES, elements)


def _linked(points: Sequence[Point], readings_url: str) -> list[aas.SubmodelElement]:
    """Return linked segments, each with the query for the readings of at most 50 points."""
    segments: list[aas.SubmodelElement] = []
    for start in range(0, len(points), _POINTS_PER_SEGMENT):
        tags = [("point", point.tag) for point in points[start : start + _POINTS_PER_SEGMENT]]
        segment: list[aas.SubmodelElement] = [
            multi_language("Name", "Readings", SEGMENT_NAME),
            text_property("Endpoint", readings_url, SEGMENT_ENDPOINT),
            text_property("Query", urlencode(tags), SEGMENT_QUERY),
        ]
        name = f"LinkedSegment{len(segments) + 1:02}"
        segments.append(collection(name, segment, LINKED_SEGMENT))
    return segments


def _external(points: Sequence[Point], readings_url: str) -> list[aas.SubmodelElement]:
    """Return external segments: CSV files of readings, at addresses that a program can fetch.

    Each has as many points as fit into the length of a path. There is none without the address of
    the gateway: in a package, a path alone is that of a file of the package.
    """
    segments: list[aas.SubmodelElement] = []
    if "://" not in readings_url:
        return segments
    for address in _csv_addresses(points, readings_url):
        file = aas.File(
            "text/csv", id_short="File", semantic_id=semantic_id(SEGMENT_FILE), value=address
        )
        segment: list[aas.SubmodelElement] = [
            multi_language("Name", "Readings as CSV", SEGMENT_NAME),
            file,
        ]
        name = f"ExternalSegment{len(segments) + 1:02}"
        segments.append(collection(name, segment, EXTERNAL_SEGMENT))
    return segments


def _csv_addresses(points: Sequence[Point], readings_url: str) -> Iterator[str]:
    """Yield the addresses of readings as CSV, each of at most 50 points and of a path's length."""
    first = f"{readings_url}?{urlencode({'response_format': 'csv'})}"
    address, count = first, 0
    for point in points:
        part = f"&{urlencode({'point': point.tag})}"
        if count and (count == _POINTS_PER_SEGMENT or len(address) + len(part) > _MAX_PATH):
            yield address
            address, count = first, 0
        if len(address) + len(part) <= _MAX_PATH:
            address, count = address + part, count + 1
    if count:
        yield address


def build_variable(short: str, point: Point) -> aas.Property:
    """Return the variable of a record that holds the values of a point."""
    concept = point.concept
    return aas.Property(
        _VALUE_TYPES[point.data_type],
        id_short=short,
        display_name=display_name(point.name),
        extensions=extensions(
            tag=point.tag,
            name=point.name if len(point.name) > 128 else None,
            conceptScheme=concept.scheme if concept else None,
            low=None if point.low is None else number_text(point.low),
            high=None if point.high is None else number_text(point.high),
        ),
        semantic_id=semantic_id(concept.id if concept else ""),
        embedded_data_specifications=unit_specification(point.name or point.tag, point.unit),
    )
