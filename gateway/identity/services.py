"""Assembly: what signs people in, of one process, built once from the settings.

The pages ask nobody else.
"""

from dataclasses import dataclass

from gateway.identity.invitation_acceptance import Accepting
from gateway.identity.invitations import Inviting
from gateway.identity.links import Links
from gateway.identity.login import SigningIn
from gateway.identity.password_reset import Resets
from gateway.identity.passwords import Passwords
from gateway.identity.profile import Own
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer


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
    """`secret` is the installation's (infra/secrets/secret_key.py)."""
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
