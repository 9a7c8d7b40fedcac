"""Assembly: what signs people in, of one process, built once from the settings.

The pages ask nobody else.
"""

from dataclasses import dataclass

from gateway.identity.accepting import Accepting
from gateway.identity.invitations import Inviting
from gateway.identity.links import Links
from gateway.identity.own import Own
from gateway.identity.passwords import Passwords
from gateway.identity.resets import Resets
from gateway.identity.signing_in import SigningIn
from infra.clock import Clock
from infra.db import Database
from infra.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts that hold something; all else of this package are functions."""

    signing_in: SigningIn
    inviting: Inviting
    accepting: Accepting
    resets: Resets
    own: Own
    sealer: Sealer
    links: Links


def build_identity(
    database: Database, clock: Clock, secret: bytes, links: Links, passwords: Passwords
) -> Identity:
    """`secret` is the installation's (infra/secret.py)."""
    sealer = Sealer(secret)
    parts = (database, clock, passwords, sealer, links)
    return Identity(
        signing_in=SigningIn(*parts),
        inviting=Inviting(clock, sealer, links),
        accepting=Accepting(database, clock, passwords),
        resets=Resets(*parts),
        own=Own(*parts),
        sealer=sealer,
        links=links,
    )
