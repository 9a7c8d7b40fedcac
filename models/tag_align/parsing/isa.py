"""Read instrument loop names of ISA-5.1, such as `FIC-1201.PV` or `21-LSHH-305`.

The first letter is the measured variable, the next ones are what the instrument does. The item
after the dot is a parameter of the control loop, as distributed control systems name it.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from models.tag_align.naming import Words

_LOOP = re.compile(
    r"(?:(?P<area>\d{1,4})[-_ ]?)?(?P<letters>[A-Z]{2,5})[-_ ]?(?P<number>\d{2,6})[A-Z]?"
    r"(?:[._](?P<item>[A-Za-z]\w*))?"
)
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "A": "analysis concentration",
        "B": "flame",
        "C": "conductivity",
        "D": "density",
        "E": "voltage",
        "F": "flow",
        "H": "hand",
        "I": "current",
        "J": "power",
        "K": "time",
        "L": "level",
        "M": "moisture humidity",
        "P": "pressure",
        "Q": "quantity",
        "R": "radiation",
        "S": "speed",
        "T": "temperature",
        "V": "vibration",
        "W": "weight",
        "Z": "position",
    }
)
_FUNCTIONS = frozenset("ACEGHIKLOQRSTVXYZD")
_ACTING = frozenset("ACEGIRSTVYZ")
# Parameters of a loop, in lower case.
ITEMS: Mapping[str, str] = MappingProxyType(
    {
        "pv": "sensor",
        "me": "sensor",
        "meas": "sensor",
        "sp": "setpoint",
        "sv": "setpoint",
        "spt": "setpoint",
        "wsp": "setpoint",
        "op": "output command",
        "out": "output command",
        "mv": "output command",
        "co": "output command",
        "cv": "output command",
        "md": "mode status",
        "mode": "mode status",
        "alm": "alarm",
        "hh": "high alarm",
        "ll": "low alarm",
        "ph": "high alarm",
        "pl": "low alarm",
        "hi": "high alarm",
        "lo": "low alarm",
        "kp": "proportional gain parameter",
        "ti": "integral time parameter",
        "td": "derivative time parameter",
    }
)
# Letters that read like a loop but are usual names of building equipment and points.
_NOT_LOOPS = frozenset(
    "VAV CAV FCU AHU RTU HEX VSD HRV ERV SAT RAT MAT DAT OAT EAT LAT ZAT RAH SAH OAH ACH PAC CRAC "
    "CRAH HVAC SAD RAD EAD OAD MAD PLC AC AV AI AX RC SC SA RA EA OA MA DA IAQ CAC LSCT".split()
)


def read_loop(name: str) -> Words | None:
    """Return the English words of an instrument's loop name; None if it is none."""
    match = _LOOP.fullmatch(name.strip())
    if match is None or match["letters"] in _NOT_LOOPS:
        return None
    variable, functions = match["letters"][0], match["letters"][1:]
    item = (match["item"] or "").lower()
    if variable not in VARIABLES or not _is_function(functions) or (item and item not in ITEMS):
        return None
    modifier = functions[0] if len(functions) > 1 else ""
    words = f"{_modified(VARIABLES[variable], modifier)} {_role(functions, item)}"
    return tuple(words.split())


def _is_function(letters: str) -> bool:
    """Whether the letters after the first can be functions of an instrument."""
    return set(letters) <= _FUNCTIONS and bool(set(letters) & _ACTING)


def _modified(variable: str, modifier: str) -> str:
    """Return the measured variable with its modifier: a difference or a total."""
    prefix = {"D": "differential ", "Q": "total "}.get(modifier, "")
    return f"{prefix}{variable}"


def _role(functions: str, item: str) -> str:
    """Return what the instrument gives: the loop's item, else what its letters say."""
    if item:
        return ITEMS[item]
    if "A" in functions or "S" in functions:
        limit = "high " if "H" in functions else "low " if "L" in functions else ""
        return f"{limit}{'alarm' if 'A' in functions or limit else 'switch status'}"
    if "V" in functions or functions.endswith("Z"):
        return "valve position command"
    return "controller" if "C" in functions else "sensor"
