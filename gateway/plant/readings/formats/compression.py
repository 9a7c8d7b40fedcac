"""Bounded decompression of gzip bodies."""

import zlib

_GZIP = 16 + zlib.MAX_WBITS


class CompressedInvalid(ValueError):
    """The body is no gzip stream, or is cut off."""


class CompressedTooLarge(ValueError):
    """The body is larger than allowed when decompressed."""


def decompress_gzip(body: bytes, max_bytes: int) -> bytes:
    """Return the content of a gzip body, which may have several members.

    Never holds more than `max_bytes`. Raises CompressedInvalid, CompressedTooLarge.
    """
    parts: list[bytes] = []
    left = max_bytes
    while True:
        decompressor = zlib.decompressobj(_GZIP)
        try:
            part = decompressor.decompress(body, left + 1)
        except zlib.error:
            raise CompressedInvalid("The body is not valid gzip.") from None
        left -= len(part)
        if left < 0:
            raise CompressedTooLarge(f"The decompressed body is larger than {max_bytes:,} bytes.")
        parts.append(part)
        if not decompressor.eof:
            raise CompressedInvalid("The gzip body is cut off.")
        body = decompressor.unused_data.lstrip(b"\0")
        if not body:
            return b"".join(parts)
