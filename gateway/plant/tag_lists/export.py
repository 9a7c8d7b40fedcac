"""Export a plant model as a tag list, CSV or Excel, that imports again without a change.

First a row for each asset, parents before their parts, then one for each point. Cells that a
spreadsheet would run as a formula are prefixed with `'`, which an import removes.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from gateway.plant.assets.units import unit_label
from gateway.plant.assets.values import Asset, PlantModel, Point
from gateway.plant.tag_lists.columns import Field, escape_cell

BYTE_ORDER_MARK = "\ufeff".encode()
COLUMNS = tuple(field for field in Field if field is not Field.PATH)


def render_csv(model: PlantModel) -> bytes:
    """Return assets and points as CSV in UTF-8 with a byte order mark."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([field.value for field in COLUMNS])
    writer.writerows(_rows(model))
    return BYTE_ORDER_MARK + out.getvalue().encode()


def render_workbook(model: PlantModel) -> bytes:
    """Return assets and points as the only sheet of an Excel workbook, all cells as texts."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("plant")
    sheet.freeze_panes = "A2"
    for row in ([field.value for field in COLUMNS], *_rows(model)):
        sheet.append([_text_cell(sheet, text) for text in row])
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def _text_cell(sheet: object, text: str) -> object:
    """Return a cell with a text; a name of an error such as `#N/A` stays a text too."""
    if not text.startswith("#"):
        return text or None
    cell = WriteOnlyCell(sheet, value="")
    cell.value, cell.data_type = text, "s"
    return cell


def _rows(model: PlantModel) -> Iterator[Sequence[str]]:
    """Yield the cells of assets, then of points, in the order of COLUMNS."""
    for asset in _parents_first(model.assets):
        yield _cells(_asset_fields(asset))
    for point in model.points:
        yield _cells(_point_fields(point))


def _cells(values: Mapping[Field, str]) -> list[str]:
    """Return the cells of a row."""
    return [escape_cell(values.get(field, "")) for field in COLUMNS]


def _asset_fields(asset: Asset) -> Mapping[Field, str]:
    """Return the texts of an asset by field."""
    properties = msgspec.json.encode(asset.properties).decode() if asset.properties else ""
    return {
        Field.ASSET: asset.code,
        Field.ASSET_NAME: asset.name,
        Field.LEVEL: asset.level.value,
        Field.PARENT: asset.parent or "",
        Field.BRICK: asset.types.get("brick", ""),
        Field.ISO14224: asset.types.get("iso14224", ""),
        Field.ECLASS: asset.types.get("eclass", ""),
        Field.GLOBAL_ID: asset.global_id or "",
        Field.PROPERTIES: properties,
    }


def _point_fields(point: Point) -> Mapping[Field, str]:
    """Return the texts of a point by field."""
    return {
        Field.TAG: point.tag,
        Field.NAME: point.name,
        Field.UNIT: unit_label(point.unit),
        Field.DATA_TYPE: point.data_type.value,
        Field.LOW: "" if point.low is None else repr(point.low),
        Field.HIGH: "" if point.high is None else repr(point.high),
        Field.CONCEPT_SCHEME: point.concept.scheme if point.concept else "",
        Field.CONCEPT: point.concept.id if point.concept else "",
        Field.ASSET: point.asset or "",
    }


def _parents_first(assets: Iterable[Asset]) -> Iterator[Asset]:
    """Yield assets so that each comes after its parent."""
    children: dict[str | None, list[Asset]] = {}
    codes = set()
    for asset in assets:
        children.setdefault(asset.parent, []).append(asset)
        codes.add(asset.code)
    pending = [one for parent in children if parent not in codes for one in children[parent]][::-1]
    while pending:
        asset = pending.pop()
        yield asset
        pending.extend(reversed(children.get(asset.code, ())))
