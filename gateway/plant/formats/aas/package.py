"""AASX packages: a ZIP file with parts and relationships (Open Packaging Conventions)."""

import io
import zipfile

import aas_core3.types as aas
import aas_core3.xmlization as xmlization

AASX_MEDIA_TYPE = "application/asset-administration-shell-package"
ORIGIN_TYPE = "http://admin-shell.io/aasx/relationships/aasx-origin"
SPEC_TYPE = "http://admin-shell.io/aasx/relationships/aas-spec"
SUPPLEMENT_TYPE = "http://admin-shell.io/aasx/relationships/aas-suppl"

CONTENT_TYPES_PART = "[Content_Types].xml"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
_CONTENT_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_ORIGIN_PART = "aasx/aasx-origin"
_SPEC_PART = "aasx/plant/plant.aas.xml"
# The same bytes for the same model.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def write_package(environment: aas.Environment) -> bytes:
    """Return an AASX package with the environment as XML."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, text in (
            (CONTENT_TYPES_PART, _content_types()),
            ("_rels/.rels", _relationship(ORIGIN_TYPE, _ORIGIN_PART)),
            (_ORIGIN_PART, "Intentionally empty."),
            ("aasx/_rels/aasx-origin.rels", _relationship(SPEC_TYPE, _SPEC_PART)),
            (_SPEC_PART, _DECLARATION + xmlization.to_str(environment)),
        ):
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(info, text.encode())
    return buffer.getvalue()


def _relationship(kind: str, part: str) -> str:
    """Return a relationships part with one relationship."""
    return (
        f'{_DECLARATION}<Relationships xmlns="{_RELATIONSHIPS}">'
        f'<Relationship Id="R1" Type="{kind}" Target="/{part}"/></Relationships>'
    )


def _content_types() -> str:
    """Return the part that names the media types of all parts."""
    return (
        f'{_DECLARATION}<Types xmlns="{_CONTENT_TYPES}">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="text/xml"/>'
        f'<Override PartName="/{_ORIGIN_PART}" ContentType="text/plain"/></Types>'
    )
