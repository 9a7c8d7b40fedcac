"""Signatures of the reports of inspection rounds, which anybody verifies with the public key.

    maas-round-v1
    round_<round id>
    <SHA-256 of the report, in hexadecimal>

The signed message is these three ASCII lines, each with a line feed. The SHA-256 is of the report
as JSON with sorted keys.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from billing.outcomes.evidence.signatures import is_valid_signature, parse_signature
from gateway.agents.public_ids import ROUND
from gateway.agents.rounds.report import report_hash
from infra import ids

# Of the installation's key that signs reports (infra/secrets/signing_key.py).
PURPOSE = "inspection rounds"
_DOMAIN = "maas-round-v1"


def round_message(round_id: UUID, sha256: str) -> bytes:
    """Return the bytes that are signed for the report of a round with this hash."""
    return f"{_DOMAIN}\n{ids.format_id(ROUND, round_id)}\n{sha256}\n".encode()


def is_authentic_report(
    round_id: UUID, report: Mapping[str, Any], signature: str, public_key: bytes
) -> bool:
    """Return whether the signature is by this key over this report of the round.

    Raises AttestationInvalid for a signature that is none.
    """
    message = round_message(round_id, report_hash(report))
    return is_valid_signature(public_key, message, parse_signature(signature))
