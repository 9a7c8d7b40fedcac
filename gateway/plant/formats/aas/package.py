"""AASX packages: a ZIP file with parts and relationships (Open Packaging Conventions)."""

import io
import zipfile
from collections.abc import Iterable, Iterator

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


def write_package(lists: Iterable[tuple[str, Iterable[aas.Identifiable]]]) -> bytes:
    """Return an AASX package with an environment as XML, of which these are names and elements."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, text in (
            (CONTENT_TYPES_PART, _content_types()),
            ("_rels/.rels", _relationship(ORIGIN_TYPE, _ORIGIN_PART)),
            (_ORIGIN_PART, "Intentionally empty."),
            ("aasx/_rels/aasx-origin.rels", _relationship(SPEC_TYPE, _SPEC_PART)),
        ):
            package.writestr(_part(name), text.encode())
        with package.open(_part(_SPEC_PART), "w") as part:
            for text in _environment(lists):
                part.write(text.encode())
    return buffer.getvalue()


def _part(name: str) -> zipfile.ZipInfo:
    """Return the entry of a part."""
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _environment(lists: Iterable[tuple[str, Iterable[aas.Identifiable]]]) -> Iterator[str]:
    """Yield the XML of an environment, element by element."""
    namespace = f' xmlns="{xmlization.NAMESPACE}"'
    yield f"{_DECLARATION}<environment{namespace}>"
    for name, elements in lists:
        yield f"<{name}>"
        for element in elements:
            # The namespace is stated at the root; all elements begin with it.
            yield xmlization.to_str(element).replace(namespace, "", 1)
        yield f"</{name}>"
    yield "</environment>"


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
