"""JSON bodies of a node's answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from gateway.plant.identifiers.codes import Identifier
from gateway.plant.identifiers.delegations import Authority, Delegation
from gateway.plant.identifiers.errors import IdentifierNotFound
from gateway.plant.identifiers.node.local import NEGATIVE_TTL_S, LocalAnswer
from gateway.plant.identifiers.records import Access, VerifiedRecord, verify_record
from gateway.plant.identifiers.resolution import Resolution
from infra.errors import AppError, error_object

_LOCAL_S = 2  # seconds for which the node serves its own answers without a query


@dataclass(frozen=True, slots=True)
class NodeResponse:
    """Status, body and headers of a response, its outcome for counting, and how long it holds."""

    status: int
    body: bytes
    outcome: str
    ttl_s: float = 0
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())


def resolution_response(found: Resolution, now: datetime) -> NodeResponse:
    """Return the response of a resolution over other nodes."""
    chain = [one.token for one in found.chain]
    if found.record is not None:
        body = _record_body(found.record, chain, (), int(now.timestamp()) + found.ttl_s)
        return NodeResponse(200, body, "resolved", found.ttl_s)
    denial = found.denial.token if found.denial is not None else None
    return denial_response(found.identifier, denial, (), found.ttl_s)


def local_response(
    identifier: Identifier, answer: LocalAnswer, access: Access, now: datetime
) -> NodeResponse:
    """Return the response of this node's own answer; restricted fields are not to be cached."""
    own = answer.own
    if answer.record is not None:
        verified = verify_record(answer.record.token, own.authority)
        shown = answer.record.visible_to(access)
        expires = int(now.timestamp()) + answer.record.ttl_s
        body = _record_body(verified, own.chain, shown, expires)
        cached_s = min(_LOCAL_S, answer.record.ttl_s) if access is Access.PUBLIC else 0
        return NodeResponse(200, body, "resolved", cached_s)
    if answer.delegation is not None:
        return _referral(answer.delegation, own.chain, answer.revocations)
    return denial_response(identifier, answer.denial, answer.revocations, NEGATIVE_TTL_S, _LOCAL_S)


def denial_response(
    identifier: Identifier,
    denial: str | None,
    revocations: Sequence[str],
    ttl_s: float,
    cached_s: float | None = None,
) -> NodeResponse:
    """Return the response for an identifier without a record, with the signed denial."""
    error = IdentifierNotFound(f"`{identifier.text}` has no record.", param="id")
    shown = {**error_object(error), "denial": denial, "revocations": list(revocations)}
    body = msgspec.json.encode({"error": shown})
    return NodeResponse(404, body, "not_found", ttl_s if cached_s is None else cached_s)


def error_response(error: AppError) -> NodeResponse:
    """Return the response of an error in the documented shape; it is not cached."""
    headers = tuple((name.encode(), value.encode()) for name, value in error.headers.items())
    body = msgspec.json.encode({"error": error_object(error)})
    return NodeResponse(error.status, body, error.code or "error", headers=headers)


def authority_json(authority: Authority, chain: Sequence[str]) -> dict[str, Any]:
    """Return an authority as the node's status shows it."""
    return {
        "prefix": authority.prefix.text,
        "scheme": authority.prefix.scheme.value,
        "kid": authority.key.kid,
        "key": authority.key.public(),
        "is_root": not chain,
        "chain": list(chain),
    }


def _referral(
    delegation: Delegation, chain: Sequence[str], revocations: Sequence[str]
) -> NodeResponse:
    """Return the response that refers to the node of a delegated prefix."""
    body = {
        "object": "referral",
        "prefix": delegation.authority.prefix.text,
        "node": delegation.authority.node,
        "delegation": delegation.token,
        "chain": list(chain),
        "revocations": list(revocations),
    }
    return NodeResponse(200, msgspec.json.encode(body), "referred", _LOCAL_S)


def _record_body(
    record: VerifiedRecord, chain: Sequence[str], disclosures: Sequence[str], expires_at: int
) -> bytes:
    """Return the body of a record: its public fields readable, and all that verifies them."""
    body = {
        "object": "resolution",
        "id": record.identifier.text,
        "version": record.version,
        "status": "withdrawn" if record.withdrawn else "active",
        "fields": record.public,
        "issued_at": int(record.issued_at.timestamp()),
        "expires_at": expires_at,
        "record": record.token,
        "disclosures": list(disclosures),
        "chain": list(chain),
    }
    return msgspec.json.encode(body)
