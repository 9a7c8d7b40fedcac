"""The identity providers that an operator configures in a TOML file (MAAS_LOGIN_PROVIDERS).

[[provider]]
id = "works"
kind = "oidc"                       # oidc, wecom, dingtalk or feishu
names = { en = "Works account", zh = "厂内账号" }
issuer = "https://login.example.com"
client_id = "maas"
secret = "works_login"              # name of a secret: MAAS_SECRET_WORKS_LOGIN
email_domains = ["example.com"]     # whose verified addresses are linked without asking
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from urllib.parse import urlsplit

import msgspec

from gateway.identity.sso.dingtalk import DingtalkClient, DingtalkProvider
from gateway.identity.sso.feishu import FeishuClient, FeishuProvider
from gateway.identity.sso.http import ProviderHttp
from gateway.identity.sso.oidc import OidcClient, OidcProvider
from gateway.identity.sso.provider import IdentityProvider
from gateway.identity.sso.wecom import WecomClient, WecomProvider
from infra.clock import Clock
from infra.secrets.named_secrets import NamedSecrets
from infra.settings import Settings, SettingsInvalid

_VARIABLE = "MAAS_LOGIN_PROVIDERS"
_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class _Section(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[provider]]` section; which fields are required depends on the kind."""

    id: str
    kind: Literal["oidc", "wecom", "dingtalk", "feishu"]
    names: dict[Literal["en", "zh"], _Text]
    client_id: _Text
    secret: _Text
    issuer: str = ""
    corp_id: str = ""
    tenant_key: str = ""
    email_domains: list[_Text] = []
    page_base: str = ""
    api_base: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The configuration file."""

    provider: list[_Section]


# The field that names the company whose members may sign in.
_REQUIRED = {"oidc": "issuer", "wecom": "corp_id", "dingtalk": "corp_id", "feishu": "tenant_key"}


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider with its id, names by language, and domains of addresses to link by."""

    id: str
    names: Mapping[str, str]
    provider: IdentityProvider
    email_domains: frozenset[str] = frozenset()


def load_providers(
    settings: Settings, clock: Clock, http: ProviderHttp | None = None
) -> Mapping[str, ConfiguredProvider]:
    """Return the configured providers by id, in the file's order; none without a file.

    Raises SettingsInvalid, which names the section and the field.
    """
    if settings.login_providers is None:
        return {}
    secrets, client = NamedSecrets(settings.secrets_dir), http or ProviderHttp()
    found: dict[str, ConfiguredProvider] = {}
    for section in _read_sections(settings.login_providers):
        _check(section, found)
        found[section.id] = ConfiguredProvider(
            section.id,
            {language: name for language, name in section.names.items()},
            _build(section, _read_secret(section, secrets), client, clock),
            frozenset(domain.lower() for domain in section.email_domains),
        )
    return found


def _read_sections(file: Path) -> list[_Section]:
    """Parse the file. Raises SettingsInvalid."""
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), _File).provider
    except (OSError, ValueError) as error:  # msgspec's and tomllib's errors are ValueErrors
        raise SettingsInvalid(f"{_VARIABLE}: {file} cannot be used: {error}") from None


def _check(section: _Section, known: Mapping[str, object]) -> None:
    """Raise SettingsInvalid if the section's id, names or addresses cannot be used."""
    if _ID.fullmatch(section.id) is None or section.id in known:
        _fail(section, "id must be unique: lower-case letters, digits, `-` and `_`")
    if set(section.names) != {"en", "zh"}:
        _fail(section, "names needs `en` and `zh`")
    required = _REQUIRED[section.kind]
    if not getattr(section, required):
        _fail(section, f"{required} is missing")
    if section.kind == "wecom" and not section.client_id.isdigit():
        _fail(section, "client_id is the AgentId of the application, a number")
    if section.email_domains and section.kind != "oidc":
        _fail(section, "email_domains is for OpenID Connect only")
    for url in filter(None, (section.issuer, section.page_base, section.api_base)):
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            _fail(section, f"{url} must begin with https://")


def _read_secret(section: _Section, secrets: NamedSecrets) -> str:
    """Return the value of the section's secret. Raises SettingsInvalid."""
    value = secrets.read(section.secret)
    if value is None:
        _fail(section, f"MAAS_SECRET_{section.secret.upper()} is not set")
    return value.get_secret_value()


def _build(section: _Section, secret: str, http: ProviderHttp, clock: Clock) -> IdentityProvider:
    """Return the provider of a checked section."""
    bases = {
        name: getattr(section, name).rstrip("/")
        for name in ("page_base", "api_base")
        if getattr(section, name)
    }
    client_id, corp_id = section.client_id, section.corp_id
    match section.kind:
        case "wecom":
            return WecomProvider(WecomClient(corp_id, client_id, secret, **bases), http, clock)
        case "dingtalk":
            return DingtalkProvider(DingtalkClient(client_id, secret, corp_id, **bases), http)
        case "feishu":
            return FeishuProvider(
                FeishuClient(client_id, secret, section.tenant_key, **bases), http
            )
        case "oidc":
            return OidcProvider(OidcClient(section.issuer, client_id, secret), http, clock)


def _fail(section: _Section, reason: str) -> NoReturn:
    """Raise SettingsInvalid with the section's id."""
    raise SettingsInvalid(f"{_VARIABLE}: provider {section.id!r}: {reason}.")
