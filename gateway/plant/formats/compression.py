"""Files compressed with gzip, unpacked within a limit."""

import zlib

from gateway.plant.formats.limits import DEFAULT_LIMITS, FormatLimits
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def unpacked(content: bytes, limits: FormatLimits = DEFAULT_LIMITS) -> bytes:
    """Return a file unpacked if it is compressed with gzip, else as it is.

    Raises FormatTooLarge if it is larger than `limits.max_bytes`, FormatInvalid if it is damaged.
    """
    if not content.startswith(_GZIP):
        return content
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        found = stream.decompress(content, limits.max_bytes + 1)
    except zlib.error:
        raise FormatInvalid("The file is damaged: it cannot be unpacked.") from None
    if len(found) > limits.max_bytes:
        raise FormatTooLarge(f"The unpacked file is larger than {limits.max_bytes >> 20} MiB.")
    if not stream.eof or stream.unused_data:
        raise FormatInvalid("The file is damaged: it ends too early, or more data follows it.")
    return found
