"""Public ids of the plant model, such as `ast_…` of an asset."""

from uuid import UUID

from gateway.plant.assets.errors import PlantNodeNotFound
from infra import ids

ASSET, POINT, ENTITY, RELATION, IMPORT, COMPARISON = "ast", "pt", "ent", "rel", "imp", "cmp"


def parse_plant_id(prefix: str, text: str) -> UUID:
    """Parse a public id. Raises PlantNodeNotFound."""
    found = ids.parse_id(prefix, text)
    if found is None:
        raise not_found(prefix)
    return found


def format_optional(prefix: str, identity: UUID | None) -> str | None:
    """Return the public id of a row, None without one."""
    return None if identity is None else ids.format_id(prefix, identity)


def not_found(prefix: str) -> PlantNodeNotFound:
    """Return the error for a row that the account does not have."""
    return PlantNodeNotFound(f"The account has no such object: expected an id `{prefix}_…`.")
