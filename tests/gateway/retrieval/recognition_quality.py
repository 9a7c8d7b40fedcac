"""Time per page and error rates: `python -m tests.gateway.retrieval.recognition_quality`.

Pages of A4 at 150 dpi with 28 lines in 12.5 point, one with 8.5 point, a table and a nameplate. The
character error rate does not count white space; the last column is the share of English spaces
that are found.
"""

import time
from collections.abc import Iterator

import numpy as np
from PIL import Image

from gateway.retrieval import scans
from tests.gateway.retrieval.scanned_pages import (
    CHINESE,
    ENGLISH,
    NAMEPLATE,
    TABLE,
    degraded,
    error_rate,
    nameplate,
    page_of,
    table_of,
)


def pages() -> Iterator[tuple[str, Image.Image, str]]:
    """Name, image and text of each page."""
    chinese, english = (CHINESE * 5)[:28], (ENGLISH * 6)[:28]
    for name, lines in (("Chinese", chinese), ("English", english)):
        yield f"{name}, clean", page_of(lines), "\n".join(lines)
        yield f"{name}, blurred with noise", degraded(page_of(lines)), "\n".join(lines)
        yield f"{name}, 8.5 point", page_of(lines, 18), "\n".join(lines)
    yield "table", table_of(TABLE), "\n".join(map(" ".join, TABLE))
    yield "nameplate", nameplate(), "\n".join(map(" ".join, NAMEPLATE))


def main() -> None:
    """Print a table."""
    reader = scans._load_reader()
    for name, page, expected in pages():
        image = np.ascontiguousarray(np.asarray(page)[:, :, ::-1])
        started = time.process_time()
        text = reader.read(image).replace(" | ", " ")
        seconds = time.process_time() - started
        spaces = text.count(" ") / expected.count(" ")
        print(  # noqa: T201
            f"{name:30} {seconds:5.1f} s {error_rate(expected, text):7.2%} {spaces:5.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
