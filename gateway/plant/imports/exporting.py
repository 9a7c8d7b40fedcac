"""Formats of an export of a plant model."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from gateway.plant.assets.json_model import encode_model
from gateway.plant.assets.values import PlantModel
from gateway.plant.formats.aas.semantics import READINGS_PATH
from gateway.plant.tag_lists.export import render_csv, render_workbook
from infra.lazy_import import LazyModule

# The classes of the AAS metamodel take a third of a second to import.
if TYPE_CHECKING:
    from gateway.plant.formats.aas import writer as aas_writer
    from gateway.plant.formats.brick import writer as brick_writer
    from gateway.plant.formats.nodeset import writer as nodeset_writer
else:
    aas_writer = LazyModule("gateway.plant.formats.aas.writer")
    brick_writer = LazyModule("gateway.plant.formats.brick.writer")
    nodeset_writer = LazyModule("gateway.plant.formats.nodeset.writer")


class ExportFormat(StrEnum):
    """Formats of an export. Only JSON has all entities and relations."""

    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    BRICK = "brick"
    AAS = "aas"
    AASX = "aasx"
    NODESET = "nodeset"


MEDIA_TYPES: Mapping[ExportFormat, str] = MappingProxyType(
    {
        ExportFormat.CSV: "text/csv",
        ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ExportFormat.JSON: "application/json",
        ExportFormat.BRICK: "text/turtle",
        ExportFormat.AAS: "application/json",
        ExportFormat.AASX: "application/asset-administration-shell-package+xml",
        ExportFormat.NODESET: "application/xml",
    }
)
_FILE_NAMES: Mapping[ExportFormat, str] = MappingProxyType(
    {
        ExportFormat.BRICK: "plant.ttl",
        ExportFormat.AAS: "plant.aas.json",
        ExportFormat.NODESET: "plant.NodeSet2.xml",
    }
)
_RENDERERS: Mapping[ExportFormat, Callable[[PlantModel, str], bytes]] = MappingProxyType(
    {
        ExportFormat.CSV: lambda model, _: render_csv(model),
        ExportFormat.XLSX: lambda model, _: render_workbook(model),
        ExportFormat.JSON: lambda model, _: encode_model(model),
        ExportFormat.BRICK: lambda model, _: brick_writer.write_brick(model).content,
        ExportFormat.AAS: lambda model, base: (
            aas_writer.write_aas_json(model, readings_url=f"{base}{READINGS_PATH}").content
        ),
        ExportFormat.AASX: lambda model, base: (
            aas_writer.write_aasx(model, readings_url=f"{base}{READINGS_PATH}").content
        ),
        ExportFormat.NODESET: lambda model, _: nodeset_writer.write_nodeset(model).content,
    }
)


def render_export(model: PlantModel, export_format: ExportFormat, base_url: str = "") -> bytes:
    """Return a plant model as a file. Takes seconds of processor time for a large one.

    `base_url` is the public address of the gateway, by which AAS files name the readings.
    """
    return _RENDERERS[export_format](model, base_url)


def export_file_name(export_format: ExportFormat) -> str:
    """Return the name of an exported file."""
    return _FILE_NAMES.get(export_format, f"plant.{export_format.value}")
