"""jsonschema, imported when a test first validates: its formats compile for more than a second."""

from typing import TYPE_CHECKING

from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import jsonschema as jsonschema
else:
    jsonschema = LazyModule("jsonschema")
