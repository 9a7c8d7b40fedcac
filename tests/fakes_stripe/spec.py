"""Stripe's OpenAPI definitions of the objects, as JSON Schema.

Downloads them from a wheel of the package index, which is neither stored in the
repository nor imported, and makes them strict: no undefined members.
"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

WHEEL = "seahaven-stripe-world==0.3.0"  # 2026-08-26.dahlia
_MEMBER = "seahaven_stripe_world/spec/spec3.json"
_KEPT = ("type", "enum", "maxLength", "pattern", "required")


def fetch(folder: Path) -> dict[str, Any] | None:
    """Download the specification; returns None if the index cannot be reached."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--ignore-requires-python", "--retries", "1"]
    command += ["--timeout", "10", "--dest", str(folder)]
    try:
        done = subprocess.run([*command, WHEEL], capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        return None
    with zipfile.ZipFile(wheels[0]) as wheel:
        spec: dict[str, Any] = json.loads(wheel.read(_MEMBER))
    return spec


def schemas(spec: dict[str, Any]) -> dict[str, Any]:
    """Every object's JSON Schema by name; they refer to each other below `#/$defs/`."""
    return {name: strict(each) for name, each in spec["components"]["schemas"].items()}


def strict(given: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 as JSON Schema: `nullable` spelled out, objects closed."""
    if "$ref" in given:
        made: dict[str, Any] = {"$ref": "#/$defs/" + given["$ref"].rsplit("/", 1)[-1]}
    else:
        made = {key: given[key] for key in _KEPT if key in given}
        if "anyOf" in given:
            made["anyOf"] = [strict(each) for each in given["anyOf"]]
        if "items" in given:
            made["items"] = strict(given["items"])
        made |= _members(given)
    return {"anyOf": [{"type": "null"}, made]} if given.get("nullable") else made


def _members(given: dict[str, Any]) -> dict[str, Any]:
    more = given.get("additionalProperties", False)
    if "properties" not in given:
        return {"additionalProperties": strict(more)} if isinstance(more, dict) else {}
    members = {name: strict(each) for name, each in given["properties"].items()}
    return {
        "properties": members,
        "additionalProperties": strict(more) if isinstance(more, dict) else bool(more),
    }
