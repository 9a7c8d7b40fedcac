"""What the standard library raises for damaged ZIP archives."""

import zlib
from zipfile import BadZipFile

# Of the directory, of a version or method that is not supported (a RuntimeError), and of the bytes.
ZIP_ERRORS: tuple[type[Exception], ...] = (
    BadZipFile,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    zlib.error,
)
