"""Ids of shells, assets and submodels."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

_GENERATED_ASSET_ID = re.compile(r"urn:maas:[^:]+:asset:(.+)")


@dataclass(frozen=True, slots=True)
class Namespace:
    """Ids below `urn:maas:<name>`, which should be unique per account."""

    name: str = "plant"

    def shell(self, code: str) -> str:
        """Return the id of an asset's shell."""
        return self._id("aas", code)

    def asset(self, code: str) -> str:
        """Return the id of an asset that has no global id of its own."""
        return self._id("asset", code)

    def submodel(self, kind: str, code: str) -> str:
        """Return the id of an asset's submodel of a kind such as `nameplate`."""
        return self._id(f"submodel:{kind}", code)

    def parse_shell(self, identifier: str) -> str | None:
        """Return the code of an asset from the id of its shell, None for other ids."""
        prefix = f"urn:maas:{self.name}:aas:"
        return unquote(identifier[len(prefix) :]) if identifier.startswith(prefix) else None

    def parse_submodel(self, identifier: str) -> tuple[str, str] | None:
        """Return kind and asset code from the id of a submodel, None for other ids."""
        prefix = f"urn:maas:{self.name}:submodel:"
        if not identifier.startswith(prefix):
            return None
        kind, separator, code = identifier[len(prefix) :].partition(":")
        return (kind, unquote(code)) if separator else None

    def _id(self, kind: str, code: str) -> str:
        """Return an id of a kind."""
        return f"urn:maas:{self.name}:{kind}:{quote(code, safe='')}"


def is_generated_asset_id(identifier: str) -> bool:
    """Return whether an asset id was made from the asset's code."""
    return _GENERATED_ASSET_ID.fullmatch(identifier) is not None
