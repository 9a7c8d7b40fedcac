"""The file of identity providers: what is accepted, and errors that name section and field."""

from pathlib import Path

import pytest

from gateway.identity.sso.configuration import load_providers
from gateway.identity.sso.dingtalk import DingtalkProvider
from gateway.identity.sso.feishu import FeishuProvider
from gateway.identity.sso.oidc import OidcProvider
from gateway.identity.sso.wecom import WecomProvider
from infra.clock import SystemClock
from infra.settings import Settings, SettingsInvalid

OIDC = """
[[provider]]
id = "works"
kind = "oidc"
names = { en = "Works account", zh = "厂内账号" }
issuer = "https://login.example.com"
client_id = "maas"
secret = "works_login"
email_domains = ["Example.com"]
"""
WECOM = """
[[provider]]
id = "wecom"
kind = "wecom"
names = { en = "WeCom", zh = "企业微信" }
corp_id = "ww1"
client_id = "1000002"
secret = "works_login"
"""
DINGTALK = WECOM.replace("wecom", "dingtalk")
FEISHU = WECOM.replace("wecom", "feishu").replace("corp_id", "tenant_key")


def loaded(folder: Path, text: str) -> dict[str, object]:
    (folder / "maas_secret_works_login").write_text("s3cret")
    file = folder / "providers.toml"
    file.write_text(text, "utf-8")
    settings = Settings(login_providers=file, secrets_dir=folder, data_dir=folder)
    found = load_providers(settings, SystemClock())
    return {name: type(one.provider) for name, one in found.items()}


def test_all_kinds_are_built_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, OIDC + WECOM + DINGTALK + FEISHU) == {
        "works": OidcProvider,
        "wecom": WecomProvider,
        "dingtalk": DingtalkProvider,
        "feishu": FeishuProvider,
    }


def test_without_a_file_there_is_no_provider(tmp_path: Path) -> None:
    assert load_providers(Settings(data_dir=tmp_path), SystemClock()) == {}


def test_domains_are_compared_in_lower_case(tmp_path: Path) -> None:
    loaded(tmp_path, OIDC)
    settings = Settings(
        login_providers=tmp_path / "providers.toml", secrets_dir=tmp_path, data_dir=tmp_path
    )
    (one,) = load_providers(settings, SystemClock()).values()
    assert one.email_domains == {"example.com"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (OIDC + OIDC, "id must be unique"),
        (OIDC.replace('"works"', '"Works/1"'), "id must be unique"),
        (OIDC.replace(', zh = "厂内账号"', ""), "names needs `en` and `zh`"),
        (OIDC.replace('issuer = "https://login.example.com"', ""), "issuer is missing"),
        (WECOM.replace('corp_id = "ww1"', ""), "corp_id is missing"),
        (FEISHU.replace('tenant_key = "ww1"', ""), "tenant_key is missing"),
        (WECOM.replace('"1000002"', '"maas"'), "AgentId"),
        (WECOM + 'email_domains = ["example.com"]', "OpenID Connect only"),
        (OIDC.replace("https://login", "http://login"), "must begin with https://"),
        (OIDC.replace("works_login", "unset"), "MAAS_SECRET_UNSET is not set"),
        (OIDC.replace("oidc", "saml"), "cannot be used"),
        (OIDC + 'password = "x"', "cannot be used"),
        ("provider = ", "cannot be used"),
    ],
)
def test_unusable_section_is_refused_with_its_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(SettingsInvalid, match=reason):
        loaded(tmp_path, text)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    settings = Settings(login_providers=tmp_path / "no.toml", data_dir=tmp_path)
    with pytest.raises(SettingsInvalid, match=r"no\.toml cannot be used"):
        load_providers(settings, SystemClock())


def test_issuer_on_the_same_machine_may_have_no_tls(tmp_path: Path) -> None:
    assert loaded(tmp_path, OIDC.replace("https://login.example.com", "http://127.0.0.1:8080"))
