"""Typesetting: data and a layout (`.typ`) become PDF/A, by Typst.

The files conform to PDF/A-2a (archiving, with text that programs can read) and PDF/UA-1
(accessibility): Typst checks both while it writes, and fails rather than write a file that does not
conform. Only the fonts of billing/invoice_documents/rendering/fonts.py are used, never those of the
machine, and no network. The same data give the same bytes.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from typst import Compiler, Fonts

from billing.invoice_documents.rendering.fonts import font_folders

_STANDARDS = ["a-2a", "ua-1"]


def typeset(layout: str, data: Mapping[str, Any]) -> bytes:
    """A PDF of the layout with this name. It takes some milliseconds a page, in which other Python
    threads go on."""
    # A compiler cannot be shared by threads; the fonts that it uses can.
    compiler = Compiler(
        _source(layout),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data)},
    )
    content = compiler.compile(format="pdf", pdf_standards=_STANDARDS)  # type: ignore[arg-type]
    return content  # type: ignore[return-value]


@cache
def _fonts() -> Fonts:
    folders = [str(folder) for folder in font_folders()]
    return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


@cache
def _source(layout: str) -> bytes:
    return (Path(__file__).parent / f"{layout}.typ").read_bytes()
