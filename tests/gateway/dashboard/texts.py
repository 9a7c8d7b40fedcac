"""Finds every text of the dashboard: in templates, Python code, models and endpoints."""

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir

import gateway.dashboard
import models
from gateway.inference.endpoints.table import ENDPOINTS
from models.catalog import Model, load_catalog

_ROOT = Path(gateway.dashboard.__file__).parent
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "gettext_noop": None,
    "translate": None,
}
_OPTIONS = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}


def said() -> dict[str, str | None]:
    """The English of each text, with its plural if it has one."""
    found: dict[str, str | None] = {}
    texts = extract_from_dir(_ROOT, _METHODS, _OPTIONS, keywords=_KEYWORDS)
    for _, _, message, _, _ in texts:
        one, many = message if isinstance(message, tuple) else (message, None)
        if one:
            found[one] = many
    labels = dict.fromkeys(endpoint.label for endpoint in ENDPOINTS.values())
    return found | labels | dict.fromkeys(one.description for one in catalogued())


def catalogued() -> Iterator[Model]:
    """The models of all profiles."""
    for profile in ("cpu", "gpu"):
        yield from load_catalog(profile).models.values()


def of_inputs() -> set[str]:
    """All string literals in the models' code, including the descriptions of inputs."""
    files = Path(models.__file__).parent.rglob("*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
