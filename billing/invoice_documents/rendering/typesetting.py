"""Typesetting of a layout (`.typ`) with data to PDF/A, by Typst.

The files conform to PDF/A-2a (archiving, with extractable text) and PDF/UA-1 (accessibility): Typst
checks both and fails rather than writing a file that does not conform. Only the packaged fonts of
billing/invoice_documents/rendering/fonts.py are used, and no network. The same data give the same
bytes.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from typst import Compiler, Fonts

from billing.invoice_documents.rendering.fonts import font_folders

_STANDARDS = ["a-2a", "ua-1"]


def render_pdf(layout: str, data: Mapping[str, Any]) -> bytes:
    """Render the layout with this name to PDF.

    Takes some milliseconds per page, without holding the GIL.
    """
    return render_source(_source(layout), data)


def render_source(source: bytes, data: Mapping[str, Any]) -> bytes:
    """Render a Typst source to PDF; it reads `data` as JSON from its input of that name."""
    return _compile(source, data)


def render_with_files(source: bytes, data: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Render a Typst source to PDF; it finds `files` by their plain names, such as pictures."""
    with TemporaryDirectory(prefix="typesetting-") as folder:
        for name, content in files.items():
            (Path(folder) / Path(name).name).write_bytes(content)
        main = Path(folder) / "main.typ"
        main.write_bytes(source)
        return _compile(main, data, folder)


def _compile(source: bytes | Path, data: Mapping[str, Any], root: str | None = None) -> bytes:
    """Compile a source to PDF; `root` is the folder of its files."""
    # A compiler cannot be shared between threads, but its fonts can.
    compiler = Compiler(
        source,  # type: ignore[type-var]
        root=root,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data)},
    )
    content = compiler.compile(format="pdf", pdf_standards=_STANDARDS)  # type: ignore[arg-type]
    return content  # type: ignore[return-value]


@cache
def _fonts() -> Fonts:
    """Return the bundled fonts, without system fonts, so that all machines render alike."""
    folders = [str(folder) for folder in font_folders()]
    return Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


@cache
def _source(layout: str) -> bytes:
    """Return the Typst source of the layout with this name, from this folder."""
    return (Path(__file__).parent / f"{layout}.typ").read_bytes()
