"""`maas admin-keys`: creation, list and revocation."""

from gateway.access.admin_scopes import AdminScope
from tests.support.gateway.commands import Maas


async def test_admin_key_is_created_listed_and_revoked(maas: Maas) -> None:
    create = ("admin-keys", "create", "--name", "erp")
    made = await maas.say(*create, "--scope", "grants:write", "--networks", "10.0.0.1, 10.1.0.0/16")
    assert made["secret"].startswith("maas_admin_")
    assert (made["scopes"], made["networks"]) == (["grants:write"], ["10.0.0.1/32", "10.1.0.0/16"])
    assert made["expires_at"] is not None
    forever = await maas.say(*create, "--scope", "all", "--never-expires")
    assert (forever["scopes"], forever["expires_at"]) == (list(AdminScope), None)
    assert await maas.refuse(*create, "--scope", "everything") == "admin_scope_invalid"
    revoked = await maas.say("admin-keys", "revoke", made["id"])
    assert revoked["revoked_at"] is not None
    assert await maas.refuse("admin-keys", "revoke", "admk_1") == "admin_key_not_found"
    listed = await maas.say("admin-keys", "list")
    assert [(one["name"], "secret" in one) for one in listed] == [("erp", False)] * 2


async def test_first_admin_key_of_an_account_is_created_apart_from_the_platform(
    maas: Maas,
) -> None:
    of_account = ("--account", maas.firm.account.name)
    create = ("admin-keys", "create", "--name", "portal")
    made = await maas.say(*create, *of_account)
    assert (made["scopes"], made["secret"][:11]) == (None, "maas_admin_")
    assert [one["id"] for one in await maas.say("admin-keys", "list", *of_account)] == [made["id"]]
    assert await maas.say("admin-keys", "list") == []
    assert await maas.refuse("admin-keys", "revoke", made["id"]) == "admin_key_not_found"
    revoked = await maas.say("admin-keys", "revoke", made["id"], *of_account)
    assert revoked["revoked_at"] is not None
    scoped = (*create, *of_account, "--scope", "grants:write")
    assert await maas.refuse(*scoped) == "admin_scope_invalid"
    assert await maas.refuse(*create) == "admin_scope_invalid"
    assert await maas.refuse(*create, "--account", "Nobody") == "account_not_found"
