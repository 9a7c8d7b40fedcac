"""Node ids and names of OPC UA's namespaces that are read and written."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.plant.assets.values import DataType

NODESET = "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"
TYPES = "http://opcfoundation.org/UA/2008/02/Types.xsd"
PLANT = "urn:maas:plant"
_DI = "http://opcfoundation.org/UA/DI/"
_MACHINERY = "http://opcfoundation.org/UA/Machinery/"

OBJECTS_FOLDER = "i=85"
FOLDER_TYPE = "i=61"
BASE_OBJECT_TYPE = "i=58"
BASE_VARIABLE_TYPE = "i=63"
PROPERTY_TYPE = "i=68"
ANALOG_UNIT_TYPE = "i=17497"
ANALOG_UNIT_RANGE_TYPE = "i=17570"
BASE_ANALOG_TYPE = "i=15318"
RANGE_TYPE = "i=884"
RANGE_ENCODING = "i=885"
UNIT_TYPE = "i=887"
UNIT_ENCODING = "i=888"

ORGANIZES = "i=35"
HAS_MODELLING_RULE = "i=37"
HAS_TYPE_DEFINITION = "i=40"
HAS_PROPERTY = "i=46"
HAS_COMPONENT = "i=47"
HAS_ORDERED_COMPONENT = "i=49"
HAS_ADD_IN = "i=17604"
HIERARCHICAL = frozenset(
    {ORGANIZES, HAS_PROPERTY, HAS_COMPONENT, HAS_ORDERED_COMPONENT, HAS_ADD_IN}
)
# Names by which reference types may be given without an alias of the file.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "Organizes": ORGANIZES,
        "HasModellingRule": HAS_MODELLING_RULE,
        "HasTypeDefinition": HAS_TYPE_DEFINITION,
        "HasProperty": HAS_PROPERTY,
        "HasComponent": HAS_COMPONENT,
        "HasOrderedComponent": HAS_ORDERED_COMPONENT,
        "HasAddIn": HAS_ADD_IN,
    }
)
_NUMBERS = (*range(2, 12), 26, 27, 28, 29, 290)
DATA_TYPES: Mapping[str, DataType] = MappingProxyType(
    {
        "i=1": DataType.BOOLEAN,
        **{f"i={number}": DataType.NUMBER for number in _NUMBERS},
        **{f"i={number}": DataType.TEXT for number in (12, 13, 21, 294, 295, 23751)},
    }
)
# Objects that group the parts or values of the object above them.
CONTAINER_TYPES = frozenset({FOLDER_TYPE, f"{_DI}|i=1005", f"{_MACHINERY}|i=1006"})
CONTAINER_NAMES = frozenset(
    {
        "Components",
        "Identification",
        "MachineryBuildingBlocks",
        "MethodSet",
        "Monitoring",
        "ParameterSet",
    }
)
COMPONENTS = "Components"
# Objects that describe the model itself: namespaces, encodings, dictionaries, states, transitions.
DESCRIPTIVE_TYPES = frozenset(
    f"i={number}"
    for number in (69, 72, 76, 2307, 2309, 2310, 2771, 11616, 17589, 17591, 17598, 17600)
)
PRODUCT_URI = "ProductInstanceUri"
# Semantic ids of the Digital Nameplate by the names of OPC UA for Machinery.
NAMEPLATE_IDS: Mapping[str, str] = MappingProxyType(
    {
        "Manufacturer": "0173-1#02-AAO677#002",
        "Model": "0173-1#02-AAW338#001",
        "ProductCode": "0173-1#02-AAO227#002",
        "SerialNumber": "0173-1#02-AAM556#002",
        "YearOfConstruction": "0173-1#02-AAP906#001",
        "HardwareRevision": "0173-1#02-AAN270#002",
        "SoftwareRevision": "0173-1#02-AAM737#002",
    }
)
