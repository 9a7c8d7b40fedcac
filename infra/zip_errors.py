"""What the standard library raises for damaged ZIP archives."""

import zlib
from zipfile import BadZipFile

# Of the directory, of a version or method that is not supported, and of the compressed bytes.
ZIP_ERRORS: tuple[type[Exception], ...] = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
)
