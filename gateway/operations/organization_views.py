"""Members, invitations and audit log entries of an account as OpenAI's organization objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.identity.audit_log import PERSON_ID_PREFIX, AuditLogEntry
from gateway.identity.invitation_list import INVITATION_ID_PREFIX, SentInvitation
from gateway.identity.roles import Role
from gateway.identity.team import Member
from gateway.operations.admin_key_views import unix_seconds
from infra import ids
from infra.clock import Clock

AUDIT_ID_PREFIX = "audit"
OWNER, READER = "owner", "reader"
# OpenAI's event types of our actions; other actions keep their names.
_EVENT_TYPES: Mapping[str, str] = {
    "key.created": "api_key.created",
    "key.renamed": "api_key.updated",
    "key.scope_changed": "api_key.updated",
    "key.rotated": "api_key.updated",
    "key.revoked": "api_key.deleted",
    "key.limits_changed": "rate_limit.updated",
    "invitation.made": "invite.sent",
    "invitation.sent_again": "invite.sent",
    "invitation.withdrawn": "invite.deleted",
    "invitation.accepted": "invite.accepted",
    "member.role_changed": "user.updated",
    "member.removed": "user.deleted",
    "account.profile_changed": "organization.updated",
}


def user_json(member: Member) -> dict[str, Any]:
    """Return a member as OpenAI's organization user; `account_role` is our role."""
    return {
        "object": "organization.user",
        "id": ids.format_id(PERSON_ID_PREFIX, member.person_id),
        "name": member.name,
        "email": member.email,
        "role": openai_role(member.role),
        "account_role": member.role.value,
        "added_at": unix_seconds(member.since),
        "is_service_account": False,
    }


def invite_json(invitation: SentInvitation, clock: Clock) -> dict[str, Any]:
    """Return an invitation as OpenAI's invite; `account_role` is our role."""
    status = "pending" if invitation.expires_at > clock.now() else "expired"
    accepted = invitation.accepted_at
    return {
        "object": "organization.invite",
        "id": ids.format_id(INVITATION_ID_PREFIX, invitation.id),
        "email": invitation.email,
        "role": openai_role(invitation.role),
        "account_role": invitation.role.value,
        "status": "accepted" if accepted else status,
        "created_at": unix_seconds(invitation.created_at),
        "expires_at": unix_seconds(invitation.expires_at),
        "accepted_at": accepted and unix_seconds(accepted),
        "projects": [],
    }


def audit_json(entry: AuditLogEntry) -> dict[str, Any]:
    """Return an audit log entry as OpenAI's; the details are under the name of its type.

    `action` is our name of the change.
    """
    kind = event_type(entry.action)
    return {
        "object": "organization.audit_log",
        "id": ids.format_id(AUDIT_ID_PREFIX, entry.id),
        "type": kind,
        "action": entry.action,
        "effective_at": unix_seconds(entry.at),
        "actor": _actor_json(entry),
        kind: {"id": entry.subject, "data": dict(entry.details)},
    }


def openai_role(role: Role) -> str:
    """Return OpenAI's role of a member: `owner`, or `reader` for all other roles."""
    return OWNER if role is Role.OWNER else READER


def event_type(action: str) -> str:
    """Return OpenAI's event type of an action, or the action itself."""
    return _EVENT_TYPES.get(action, action)


def actions_of(event_types: Sequence[str]) -> list[str]:
    """Return the actions of OpenAI's event types; other names are actions."""
    named = [action for action, kind in _EVENT_TYPES.items() if kind in event_types]
    return [*named, *(name for name in event_types if name not in _EVENT_TYPES.values())]


def _actor_json(entry: AuditLogEntry) -> dict[str, Any]:
    """Return who made a change: an API key, or the session of a person (`user` null: the CLI)."""
    if entry.is_by_key:
        return {
            "type": "api_key",
            "api_key": {"type": "user", "id": entry.details["key"]},
            "session": None,
        }
    user = None
    if entry.person_id is not None:
        user = {"id": ids.format_id(PERSON_ID_PREFIX, entry.person_id), "email": entry.email}
    return {"type": "session", "session": {"user": user, "ip_address": entry.address}}
