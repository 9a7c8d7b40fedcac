"""Keys and usage that each role sees: members of a project only those of their projects."""

import re

from gateway.identity.roles import Role
from infra import ids
from infra.clock import SystemClock
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words

KEYS, USAGE, LIMITS = "/dashboard/keys", "/dashboard/usage", "/dashboard/limits"
CALLS = f"{USAGE}/calls"


async def project_with_key(office: Firm, name: str) -> tuple[str, str, dict[str, str]]:
    """Create a project with one key; returns their ids and the header that names the key."""
    sent = await office.owner.send("/dashboard/projects", name=name)
    project = sent.headers["location"].rpartition("/")[2]
    key = ids.format_id("key", ids.new_id())
    fields = {"id": key, "name": f"key of {name}", "project": project, "daily_budget": "7"}
    made = await office.owner.send(KEYS, **fields)
    secret = re.search(r"maas_\w{38}", made.text)
    assert secret is not None
    return project, key, {"authorization": f"Bearer {secret[0]}"}


async def call_with(office: Firm, headers: dict[str, str]) -> str:
    """Make a call with a key; returns the request id."""
    body = {"model": CHAT, "messages": [{"role": "user", "content": "one"}], "max_tokens": 3}
    answer = await office.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    request: str = answer.headers["x-request-id"]
    return request


async def test_members_see_keys_and_usage_of_their_projects_only(office: Firm) -> None:
    gateway = office.gateway
    own, own_key, with_own = await project_with_key(office, "Paint")
    other, other_key, with_other = await project_with_key(office, "Press")
    own_call, other_call = await call_with(office, with_own), await call_with(office, with_other)
    await count_all_usage(gateway.parts.database, SystemClock())
    roles = (Role.DEVELOPER, Role.VIEWER, Role.FINANCE)
    developer, viewer, finance = (
        looker(gateway.url, gateway.parts, gateway.account.id, role) for role in roles
    )
    async with developer as member, viewer as outsider, finance as accountant:
        person = ids.format_id("person", member.person_id)
        address = f"/dashboard/projects/{own}/members"
        await office.owner.send(address, person=person, role="member")
        for who, sees_own, sees_other in (
            (member, True, False),
            (outsider, False, False),
            (accountant, True, True),
            (office.owner, True, True),
        ):
            shown = {"Paint": sees_own, "Press": sees_other}
            for page in (KEYS, LIMITS, f"{USAGE}?by=project", f"{USAGE}?by=key"):
                text = words(await who.page(page))
                if page != f"{USAGE}?by=key":
                    assert {name: name in text for name in shown} == shown, page
            listed = await who.page(CALLS)
            exported = await who.page(f"{USAGE}/calls.csv") + await who.page(f"{CALLS}/all.csv")
            for call, sees in ((own_call, sees_own), (other_call, sees_other)):
                assert (call in listed, call in exported) == (sees, sees)
                await who.page(f"{CALLS}/{call}", 200 if sees else 404)
            for key, sees in ((own_key, sees_own), (other_key, sees_other)):
                await who.page(f"{KEYS}/{key}", 200 if sees else 404)
            filtered = await who.page(f"{USAGE}?by=project&project={other}")
            assert ("Press" in words(filtered)) == sees_other
        for change in ("name", "limits", "scope", "rotate", "revoke"):
            fields = {"name": "X", "overlap": "0"}
            assert (await member.send(f"{KEYS}/{other_key}/{change}", **fields)).status_code == 404
        assert (await member.send(f"{KEYS}/{own_key}/name", name="Own")).status_code == 303


async def test_key_of_a_project_reads_usage_and_costs_of_its_project_only(office: Firm) -> None:
    gateway = office.gateway
    _, _, with_own = await project_with_key(office, "Paint")
    other, _, with_other = await project_with_key(office, "Press")
    for headers in (with_own, with_own, with_other):
        await call_with(office, headers)
    await count_all_usage(gateway.parts.database, SystemClock())

    async def calls(headers: dict[str, str], **only: str) -> int:
        since = int(SystemClock().now().timestamp()) - 86_400
        answer = await gateway.http.get(
            "/v1/organization/usage/completions",
            params={"start_time": since, "limit": 31, **only},
            headers=headers,
        )
        buckets = answer.json()["data"]
        return sum(one["num_model_requests"] for bucket in buckets for one in bucket["results"])

    assert await calls({}) == 3
    assert await calls({}, project_ids=other) == 1
    assert await calls(with_own) == 2
    assert await calls(with_own, project_ids=other) == 0
