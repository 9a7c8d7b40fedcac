"""Prefixes of accounts on a running gateway."""

from gateway.plant.identifiers.node.authorities import create_authority
from gateway.plant.identifiers.prefixes import Prefix
from tests.support.builders import Gateway


async def assign_prefix(gateway: Gateway, prefix: str) -> None:
    """Create a key for a prefix under which the gateway's account registers identifiers."""
    parts = gateway.parts
    async with parts.database.transaction() as session:
        place = (session, parts.clock, parts.identifiers.sealer, Prefix(prefix))
        await create_authority(*place, account_id=gateway.account.id)
