"""Parse an AAS environment from JSON, one submodel at a time."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import aas_core3.jsonization as jsonization
import aas_core3.types as aas
import msgspec

from gateway.plant.formats.aas.invalid import invalid_at
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid
from models.sentences import sentence


class _Parts(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The elements of an environment, each as the part of the text that is its JSON."""

    asset_administration_shells: list[msgspec.Raw] = []
    submodels: list[msgspec.Raw] = []
    concept_descriptions: list[msgspec.Raw] = []


class JsonDocument:
    """An environment in JSON; each element is decoded when it is asked for."""

    def __init__(self, content: bytes, limits: FormatLimits) -> None:
        """Read the head. Raises FormatInvalid, FormatTooLarge."""
        # Before parsing: a short file can have so many values that they need much memory.
        limits.check_elements(sum(content.count(sign) for sign in (b",", b"{", b"[")))
        self._limits = limits
        try:
            parts = msgspec.json.decode(content, type=_Parts)
        except (msgspec.ValidationError, RecursionError):
            raise FormatInvalid(sentence("The file is no AAS environment.")) from None
        except msgspec.DecodeError:
            raise FormatInvalid(sentence("The file is not valid JSON in UTF-8.")) from None
        self._submodels = parts.submodels
        head = {
            "assetAdministrationShells": self._decoded(parts.asset_administration_shells),
            "conceptDescriptions": self._decoded(parts.concept_descriptions),
        }
        self.head = _environment({name: value for name, value in head.items() if value})

    def submodels(self) -> Iterator[aas.Submodel]:
        """Yield the submodels in the order of the file. Raises FormatInvalid, FormatTooLarge."""
        for number in range(len(self._submodels)):
            decoded = self._decoded(self._submodels[number : number + 1])
            yield from _environment({"submodels": decoded}, number).submodels or ()

    def _decoded(self, texts: Sequence[msgspec.Raw]) -> list[Any]:
        """Return the values of some elements. Raises FormatInvalid, FormatTooLarge."""
        try:
            values = [json.loads(bytes(text)) for text in texts]
        except (ValueError, RecursionError):
            raise FormatInvalid(sentence("The file is not valid JSON in UTF-8.")) from None
        _check_depth(values, self._limits)
        return values


def _environment(data: Any, first: int = 0) -> aas.Environment:
    """Return the environment of decoded JSON, whose lists begin at element `first` of the file."""
    try:
        return jsonization.environment_from_jsonable(data)
    except jsonization.DeserializationException as error:
        place = str(error.path).strip(".").replace("[0]", f"[{first}]", 1)
        raise invalid_at(place, error.cause) from None


def _check_depth(values: Sequence[Any], limits: FormatLimits) -> None:
    """Raise FormatTooLarge for too deeply nested values of an environment's list."""
    # The environment and its list are two levels above.
    pending = [(value, 2) for value in values]
    while pending:
        value, depth = pending.pop()
        limits.check_depth(depth)
        if isinstance(value, dict):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)
