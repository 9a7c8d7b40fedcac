"""`/v1/organization/…` with the official OpenAI client and an admin key of the account."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from openai import APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.admin.organization.usage_completions_response import (
    DataResultOrganizationUsageCompletionsResult,
)
from openai.types.admin.organization.usage_costs_response import (
    DataResultOrganizationCostsResult,
)

from gateway.identity.memberships import add_member
from gateway.identity.roles import Role
from gateway.tables import Person
from infra import ids
from tests.support.billing.making import count_all_usage
from tests.support.builders import NO_TLS, Gateway
from tests.support.builders import customer as add_customer
from tests.support.gateway.admin_keys import issue


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    key = await issue(gateway, account_id=gateway.account.id)
    async with AsyncOpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=gateway.key.secret,
        admin_api_key=key.secret,
        max_retries=0,
        http_client=DefaultAsyncHttpxClient(verify=NO_TLS),
    ) as made:
        yield made


async def join(gateway: Gateway, email: str, role: Role) -> str:
    """A new member of the account; returns the public id."""
    clock = gateway.parts.clock
    person = Person(
        id=ids.new_id(),
        email=email,
        name=email.partition("@")[0],
        password_hash="x",  # nobody signs in
        recovery=[],
        created_at=clock.now(),
    )
    async with gateway.parts.database.transaction() as session:
        session.add(person)
        await session.flush()
        await add_member(session, clock, person.id, gateway.account.id, role)
    return ids.format_id("person", person.id)


async def test_admin_keys_are_created_paged_and_deleted(client: AsyncOpenAI) -> None:
    keys = client.admin.organization.admin_api_keys
    created = await keys.create(name="erp", expires_in_seconds=3600)
    assert created.object == "organization.admin_api_key"
    assert created.value.startswith("maas_admin_")
    assert created.redacted_value.endswith(created.value[-4:])
    assert (created.expires_at or 0) - created.created_at == 3600
    assert (await keys.retrieve(created.id)).name == "erp"
    listed = [key async for key in keys.list(limit=1)]
    assert [key.name for key in listed] == ["erp", "erp"]
    newest = await keys.list(limit=1, order="desc")
    assert newest.data[0].id == created.id
    assert listed[0].last_used_at is not None
    deleted = await keys.delete(created.id)
    assert (deleted.deleted, deleted.object) == (True, "organization.admin_api_key.deleted")
    with pytest.raises(APIStatusError) as missing:
        await keys.retrieve(created.id)
    assert missing.value.status_code == 404
    used = client.with_options(admin_api_key=created.value)
    with pytest.raises(APIStatusError) as refused:
        await used.admin.organization.admin_api_keys.list()
    assert refused.value.code == "api_key_revoked"


async def test_members_are_listed_and_change_their_roles(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    owner = await join(gateway, "wang@acme.example", Role.OWNER)
    developer = await join(gateway, "li@acme.example", Role.DEVELOPER)
    users = client.admin.organization.users
    listed = [user async for user in users.list(limit=1)]
    assert [(user.id, user.role) for user in listed] == [(owner, "owner"), (developer, "reader")]
    filtered = await users.list(emails=["li@acme.example"])
    assert [user.id for user in filtered.data] == [developer]
    kept = await users.update(developer, role="reader")
    assert (kept.model_extra or {})["account_role"] == "developer"
    assert (await users.update(developer, role="owner")).role == "owner"
    assert (await users.update(owner, role="reader")).role == "reader"
    with pytest.raises(APIStatusError) as last:
        await users.delete(developer)
    assert (last.value.status_code, last.value.code) == (409, "last_owner")
    assert (await users.delete(owner)).deleted
    with pytest.raises(APIStatusError) as gone:
        await users.retrieve(owner)
    assert gone.value.code == "member_not_found"


async def test_invites_are_sent_listed_and_withdrawn(client: AsyncOpenAI) -> None:
    invites = client.admin.organization.invites
    sent = await invites.create(email="new@acme.example", role="reader")
    assert (sent.status, sent.role, sent.object) == ("pending", "reader", "organization.invite")
    assert (await invites.retrieve(sent.id)).email == "new@acme.example"
    with pytest.raises(APIStatusError) as again:
        await invites.create(email="new@acme.example", role="reader")
    assert again.value.code == "already_invited"
    second = await invites.create(email="two@acme.example", role="owner")
    assert [one.id async for one in invites.list(limit=1)] == [second.id, sent.id]
    assert (await invites.delete(sent.id)).object == "organization.invite.deleted"
    assert [one.id async for one in invites.list()] == [second.id]


async def test_audit_log_has_openai_events_of_changes_with_the_key(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    await client.admin.organization.invites.create(email="new@acme.example", role="owner")
    created = await client.admin.organization.admin_api_keys.create(name="erp")
    logs = client.admin.organization.audit_logs
    entries = [entry async for entry in logs.list(limit=2)]
    assert [entry.type for entry in entries[:2]] == ["admin_key.created", "invite.sent"]
    assert entries[-1].type == "api_key.created"
    actor = entries[1].actor
    assert actor is not None
    assert actor.api_key is not None
    assert (actor.type, (actor.api_key.id or "")[:5]) == ("api_key", "admk_")
    sent = await logs.list(event_types=["invite.sent"])
    assert [entry.id for entry in sent.data] == [entries[1].id]
    assert sent.data[0].invite_sent is not None
    assert sent.data[0].invite_sent.id == "new@acme.example"
    newer = await logs.list(before=entries[1].id)
    assert [entry.id for entry in newer.data] == [entries[0].id]
    now = int(datetime.now(UTC).timestamp())
    assert (await logs.list(effective_at={"gt": now + 60})).data == []
    by = await logs.list(actor_ids=[actor.api_key.id or ""])
    assert len(by.data) == 2
    assert created.id != actor.api_key.id


async def test_usage_and_costs_are_read_with_the_admin_key(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    await gateway.chat("w")
    await count_all_usage(gateway.parts.database, gateway.parts.clock)
    start = int(datetime.now(UTC).timestamp()) - 86_400
    usage = client.admin.organization.usage
    page = await usage.completions(start_time=start, group_by=["model"])
    (used,) = (result for day in page.data for result in day.results)
    assert isinstance(used, DataResultOrganizationUsageCompletionsResult)
    assert used.num_model_requests == 1
    costs = await usage.costs(start_time=start)
    (result,) = (result for day in costs.data for result in day.results)
    assert isinstance(result, DataResultOrganizationCostsResult)
    assert (result.amount and result.amount.currency) == "cny"


async def test_account_sees_nothing_of_another_account(
    gateway: Gateway, client: AsyncOpenAI
) -> None:
    parts = gateway.parts
    other, _ = await add_customer(parts.database, parts.settings, name="Beta")
    foreign = await issue(gateway, account_id=other.id)
    organization = client.admin.organization
    for retrieve in (
        organization.admin_api_keys.retrieve(ids.format_id("admk", foreign.row.id)),
        organization.admin_api_keys.delete(ids.format_id("admk", foreign.row.id)),
        organization.users.retrieve(ids.format_id("person", ids.new_id())),
        organization.invites.retrieve("invite_1"),
    ):
        with pytest.raises(APIStatusError) as refused:
            await retrieve
        assert refused.value.status_code == 404
    subjects = [entry.id async for entry in organization.audit_logs.list()]
    assert len(subjects) == 2  # the API key and the admin key of the own account


async def test_api_key_cannot_administer_the_account(gateway: Gateway) -> None:
    for path in ("admin_api_keys", "users", "invites", "audit_logs"):
        refused = await gateway.http.get(f"/v1/organization/{path}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "admin_key_required")
