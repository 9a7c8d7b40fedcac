"""Semantic ids of the IDTA submodels that are written and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_ROOT = "https://admin-shell.io"

NAMEPLATE = f"{_ROOT}/zvei/nameplate/2/0/Nameplate"
CONTACT = f"{_ROOT}/zvei/nameplate/1/0/ContactInformations/ContactInformation"

TECHNICAL_DATA = f"{_ROOT}/ZVEI/TechnicalData/Submodel/1/2"
TECHNICAL_PROPERTIES = f"{_ROOT}/ZVEI/TechnicalData/TechnicalProperties/1/1"
CLASSIFICATIONS = f"{_ROOT}/ZVEI/TechnicalData/ProductClassifications/1/1"
CLASSIFICATION = f"{_ROOT}/ZVEI/TechnicalData/ProductClassificationItem/1/1"
CLASSIFICATION_SYSTEM = f"{_ROOT}/ZVEI/TechnicalData/ProductClassificationSystem/1/1"
CLASS_ID = f"{_ROOT}/ZVEI/TechnicalData/ProductClassId/1/1"

_SERIES = f"{_ROOT}/idta/TimeSeries"
TIME_SERIES = f"{_SERIES}/1/1"
SERIES_METADATA = f"{_SERIES}/Metadata/1/1"
SERIES_NAME = f"{_SERIES}/Metadata/Name/1/1"
SERIES_RECORD = f"{_SERIES}/Record/1/1"
SERIES_TIME = f"{_SERIES}/UtcTime/1/1"
SERIES_SEGMENTS = f"{_SERIES}/Segments/1/1"
LINKED_SEGMENT = f"{_SERIES}/Segments/LinkedSegment/1/1"
EXTERNAL_SEGMENT = f"{_SERIES}/Segments/ExternalSegment/1/1"
SEGMENT_FILE = f"{_SERIES}/File/1/1"
SEGMENT_NAME = f"{_SERIES}/Segment/Name/1/1"
SEGMENT_ENDPOINT = f"{_SERIES}/Endpoint/1/1"
SEGMENT_QUERY = f"{_SERIES}/Query/1/1"
SERIES_TERMS = f"{_SERIES}/"
# The path of the address in the segments of an export.
READINGS_PATH = "/v1/plant/readings"

_STRUCTURES = f"{_ROOT}/idta/HierarchicalStructures"
STRUCTURE = f"{_STRUCTURES}/1/1/Submodel"
STRUCTURES = frozenset({STRUCTURE, f"{_STRUCTURES}/1/0/Submodel"})
ENTRY_NODE = f"{_STRUCTURES}/EntryNode/1/0"
PART_NODE = f"{_STRUCTURES}/Node/1/0"
ARCHETYPE = f"{_STRUCTURES}/ArcheType/1/0"
HAS_PART = f"{_STRUCTURES}/HasPart/1/0"

UNIT_SPECIFICATION = f"{_ROOT}/DataSpecificationTemplates/DataSpecificationIec61360/3"

# Name of a classification system by the scheme of a class id.
CLASSIFICATION_SYSTEMS: Mapping[str, str] = MappingProxyType(
    {"brick": "Brick", "iso14224": "ISO 14224", "eclass": "ECLASS"}
)


@dataclass(frozen=True, slots=True)
class NameplateElement:
    """An element of the Digital Nameplate 2.0: its semantic id and the kind of its value.

    `kind` is `texts` (in several languages), `text` or `date`. `other_ids` are its semantic ids in
    other versions.
    """

    semantic_id: str
    kind: str
    other_ids: tuple[str, ...] = ()
    required: bool = False


# By idShort. ECLASS and IEC CDD ids, without their definitions.
NAMEPLATE_ELEMENTS: Mapping[str, NameplateElement] = MappingProxyType(
    {
        "URIOfTheProduct": NameplateElement(
            "0173-1#02-AAY811#001", "text", ("0112/2///61987#ABN590#002",), required=True
        ),
        "ManufacturerName": NameplateElement(
            "0173-1#02-AAO677#002", "texts", ("0112/2///61987#ABA565#009",), required=True
        ),
        "ManufacturerProductDesignation": NameplateElement(
            "0173-1#02-AAW338#001", "texts", ("0112/2///61987#ABA567#009",), required=True
        ),
        "ManufacturerProductRoot": NameplateElement(
            "0173-1#02-AAU732#001", "texts", ("0112/2///61360_7#AAS011#001",)
        ),
        "ManufacturerProductFamily": NameplateElement(
            "0173-1#02-AAU731#001", "texts", ("0112/2///61987#ABP464#002",)
        ),
        "ManufacturerProductType": NameplateElement(
            "0173-1#02-AAO057#002", "texts", ("0112/2///61987#ABA300#008",)
        ),
        "OrderCodeOfManufacturer": NameplateElement(
            "0173-1#02-AAO227#002", "texts", ("0112/2///61987#ABA950#008",)
        ),
        "ProductArticleNumberOfManufacturer": NameplateElement(
            "0173-1#02-AAO676#003", "texts", ("0112/2///61987#ABA581#007",)
        ),
        "SerialNumber": NameplateElement(
            "0173-1#02-AAM556#002", "text", ("0112/2///61987#ABA951#009",)
        ),
        "YearOfConstruction": NameplateElement(
            "0173-1#02-AAP906#001", "text", ("0112/2///61987#ABP000#002",), required=True
        ),
        "DateOfManufacture": NameplateElement(
            "0173-1#02-AAR972#002", "date", ("0112/2///61987#ABB757#007",)
        ),
        "HardwareVersion": NameplateElement(
            "0173-1#02-AAN270#002", "texts", ("0112/2///61987#ABA926#008",)
        ),
        "FirmwareVersion": NameplateElement(
            "0173-1#02-AAM985#002", "texts", ("0112/2///61987#ABA302#006",)
        ),
        "SoftwareVersion": NameplateElement(
            "0173-1#02-AAM737#002", "texts", ("0112/2///61987#ABA601#008",)
        ),
        "CountryOfOrigin": NameplateElement(
            "0173-1#02-AAO259#004", "text", ("0112/2///61987#ABP462#001",)
        ),
    }
)
# Texts of the collection ContactInformation, by idShort.
CONTACT_ELEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "Company": "0173-1#02-AAW001#001",
        "Department": "0173-1#02-AAO127#003",
        "Street": "0173-1#02-AAO128#002",
        "Zipcode": "0173-1#02-AAO129#002",
        "POBox": "0173-1#02-AAO130#002",
        "CityTown": "0173-1#02-AAO132#002",
        "StateCounty": "0173-1#02-AAO133#002",
        "NationalCode": "0173-1#02-AAO134#002",
    }
)
CONTACT_COLLECTIONS = ("ContactInformation", "AddressInformation")
