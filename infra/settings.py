"""Settings: `MAAS_*` environment variables, read once at the start of a process."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.networks import IPvAnyNetwork
from pydantic_settings import NoDecode, SettingsConfigDict, SettingsError

from infra.errors import AppError
from infra.node_settings import NodeSettings
from infra.plant_settings import PlantSettings
from infra.readings_settings import ReadingsSettings
from infra.signup_settings import SignupSettings
from infra.timing import DEFAULT_TIMING, Timing

Port = Annotated[int, Field(ge=1, le=65535)]
_UPSTREAM_PATTERN = r"([\w.:-]+=)?https?://[^\s,?#]+"
Count = Annotated[int, Field(ge=0, le=10**12)]
Amount = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsInvalid(AppError):
    """An environment variable or secret file has an invalid value."""

    code = "settings_invalid"


class Settings(SignupSettings, PlantSettings, ReadingsSettings, NodeSettings):
    """All settings with their defaults. The variable is `MAAS_` and the upper-case field name."""

    model_config = SettingsConfigDict(
        env_prefix="MAAS_", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL URL; unset: an embedded PostgreSQL in the data directory"
    )
    serving_url: str | None = Field(
        None,
        pattern=rf"^\s*{_UPSTREAM_PATTERN}([\s,]+{_UPSTREAM_PATTERN})*\s*$",
        description="OpenAI-compatible model servers, separated by commas, each a URL for all "
        "models or `model=URL` for one model; unset: Ray Serve on this machine",
    )
    host: str = Field("127.0.0.1", description="address that the gateway listens on")
    port: Port = Field(8080, description="port that the gateway listens on")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="address at which people reach the gateway; links in e-mails start with it, "
        "and `https` restricts cookies to HTTPS; unset: the listen address",
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="proxies in front of the gateway, such as `10.1.0.5` or `10.1.0.0/16`, "
        "separated by commas; X-Forwarded-For is trusted only from these proxies",
    )
    dashboard: bool = Field(
        True, description="whether this gateway serves the dashboard; false: API endpoints only"
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="number of gateway processes"
    )
    profile: Literal["cpu", "cpu-small", "cpu-tiny", "gpu"] = Field(
        "cpu",
        description="which models of the catalog are served; `cpu-small` and `cpu-tiny`: as `cpu`, "
        "with smaller language models",
    )
    catalog: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="catalog files (TOML) that add models, aliases and upstreams to the built-in "
        "catalog or change its models, separated by commas; changes are applied without restart",
    )
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("maas"),
        description="directory of the weights, the embedded database and the secret key",
    )
    weights_dir: Path | None = Field(
        None,
        description="directory with GGUF files of language models, by their names in the hub; "
        "a file that is there is not downloaded",
    )
    secrets_dir: Path | None = Field(
        None,
        description="directory with one file per setting that should not be in the environment, "
        "named as its variable (`maas_database_url`); a variable takes precedence "
        "over a file",
    )
    login_providers: Path | None = Field(
        None,
        description="file (TOML) with the identity providers with which people can sign in: OpenID "
        "Connect, WeCom, DingTalk, Feishu; unset: password only",
    )
    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="key for the hashes of API keys and for encrypting second factors and links "
        "in e-mails, the same on every host; unset: generated once in the data "
        "directory",
    )
    currency: Literal["CNY", "USD"] = Field("CNY", description="currency of new accounts")
    credit_limit: Amount = Field(
        Decimal(100),
        description="credit limit of a new account: the most it may owe, in its currency",
    )
    admin_requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(
        600, description="requests per minute of each admin key, over all gateways"
    )
    requests_per_minute: Count = Field(600, description="requests per minute of a new account")
    tokens_per_minute: Count = Field(500_000, description="tokens per minute of a new account")
    concurrent_streams: Count = Field(64, description="concurrent streams of a new account")
    serving_host: str = Field("127.0.0.1", description="address of the embedded Ray Serve")
    serving_port: Port = Field(8000, description="port of the embedded Ray Serve")
    specialist_min_replicas: Annotated[int, Field(ge=0, le=256)] = Field(
        1,
        description="minimum number of processes that serve the specialists; 0: none while there "
        "are no calls",
    )
    specialist_max_replicas: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None,
        description="maximum number of processes that serve the specialists; unset: half the "
        "processors",
    )
    specialist_target_requests: Annotated[float, Field(gt=0, le=1000)] = Field(
        8.0,
        description="concurrent requests per specialist process above which another process is "
        "started",
    )
    specialist_idle_s: Seconds = Field(
        600.0, description="time after which a specialist process that is not needed is stopped"
    )
    engine_min_replicas: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="minimum number of engines per language model"
    )
    engine_max_replicas: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="maximum number of engines per language model; unset: the minimum"
    )
    engine_target_requests: Annotated[float, Field(gt=0, le=1000)] = Field(
        16.0, description="concurrent calls per engine above which another engine is started"
    )
    engine_idle_s: Seconds = Field(
        600.0, description="time after which an engine that is not needed is stopped"
    )
    training_gpus: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of a GPU for the fine-tuning of a language model in the GPU profile; 1: "
        "a GPU that no engine uses; below 1: engines leave that share of their GPUs to it",
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        4 << 20, description="largest request body"
    )
    max_answer_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        32 << 20,
        description="largest non-streamed response, or single event of a stream, accepted from a "
        "model",
    )
    body_timeout_s: Seconds = Field(30.0, description="time for a client to send its request body")
    connect_timeout_s: Seconds = Field(5.0, description="time to connect to the model server")
    first_byte_timeout_s: Seconds = Field(
        300.0, description="time for a model to start its response"
    )
    idle_timeout_s: Seconds = Field(
        60.0, description="longest pause within a stream, of the model or of the client"
    )
    model_concurrency: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="calls of one model that a host sends at once; unset: the catalog's value"
    )
    queue_timeout_s: Seconds = Field(60.0, description="time that a call waits for a busy model")
    fair_free_share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.125, description="share of a busy model's slots kept for accounts below their share"
    )
    fair_prompt_tokens_s: int | None = Field(None, ge=1, description="prompts above a share")
    credit_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        2.0, description="time that a call waits for credit reserved by running calls"
    )
    settle_timeout_s: Seconds = Field(
        15.0,
        description="time for a usage row to become durable; after it, the response is refused",
    )
    shutdown_timeout_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        30, description="time for running calls to finish when the gateway stops"
    )
    collector: str = Field(
        "stripe",
        description="payment provider that collects invoices, used once its credentials are set",
    )
    stripe_secret_key: SecretStr | None = Field(
        None,
        description="Stripe secret key; if set, Stripe collects invoices; unset: payments are "
        "recorded manually",
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None,
        description="secret with which Stripe signs the events that it sends to `/stripe/webhook`",
    )
    stripe_api_base: str | None = Field(
        None, pattern=r"^https?://\S+$", description="another base URL of the Stripe API, for tests"
    )
    stripe_checkout_webhook_secret: SecretStr | None = Field(
        None,
        description="secret with which Stripe signs the events that it sends to "
        "`/collectors/stripe_checkout/notifications`; if set, customers can pay by Stripe Checkout",
    )
    stripe_payment_methods: str | None = Field(
        None,
        pattern=r"^[A-Z]{3}=[a-z0-9_,]+(;[A-Z]{3}=[a-z0-9_,]+)*$",
        description="payment method types by currency for Stripe Checkout and invoices that Stripe "
        "sends, such as `CNY=card,alipay,wechat_pay;USD=card`; unset: those of the Stripe account",
    )
    wechat_pay_mch_id: str | None = Field(
        None,
        pattern=r"^\d{8,10}$",
        description="merchant id at WeChat Pay; if set, customers can pay by WeChat Pay",
    )
    wechat_pay_app_id: str | None = Field(
        None, pattern=r"^wx\w{4,40}$", description="application id (`wx…`) bound to the merchant"
    )
    wechat_pay_serial: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z]{8,64}$",
        description="serial number of the merchant's API certificate",
    )
    wechat_pay_private_key: SecretStr | None = Field(
        None, description="private key of the merchant's API certificate, in PEM"
    )
    wechat_pay_api_key: SecretStr | None = Field(
        None,
        min_length=32,
        max_length=32,
        description="API v3 key, with which WeChat Pay encrypts notifications",
    )
    wechat_pay_keys_dir: Path | None = Field(
        None,
        description="directory with WeChat Pay's public keys and platform certificates, each named "
        "`<serial>.pem`; a file that is removed is refused at once",
    )
    wechat_pay_api_base: str | None = Field(
        None, pattern=r"^https?://\S+$", description="another base URL of WeChat Pay, for tests"
    )
    alipay_app_id: str | None = Field(
        None,
        pattern=r"^\d{8,20}$",
        description="application id at Alipay; if set, customers can pay by Alipay",
    )
    alipay_seller_id: str | None = Field(
        None, pattern=r"^2088\d{12}$", description="the merchant's account id (`2088…`) at Alipay"
    )
    alipay_private_key: SecretStr | None = Field(
        None, description="private key of the application, in PEM or base64"
    )
    alipay_public_key: str | None = Field(
        None, description="Alipay's public key for the application, in PEM or base64"
    )
    alipay_api_base: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="another address of Alipay's gateway, for tests",
    )
    top_up_min: Amount = Field(
        Decimal(1), description="smallest top-up by a customer, in the account's currency"
    )
    top_up_max: Amount = Field(Decimal(50_000), description="largest top-up by a customer")
    smtp_url: SecretStr | None = Field(
        None,
        description="SMTP server for e-mails, `smtp://user:password@host:587` or `smtps://…`; "
        "unset: each e-mail is written to a file in `mail` in the data directory",
    )
    mail_from: str = Field("maas@localhost", description="sender address of e-mails")
    bank_details: str | None = Field(
        None,
        max_length=500,
        description="bank account for transfers, shown on the pages of open invoices, such as "
        "`Acme Ltd, ICBC Ningbo, 3901 1200 0900`; unset: only the reference is shown",
    )
    webhook_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="private networks to which customers' webhooks may be sent, such as "
        "`10.1.0.0/16`, separated by commas; unset: public addresses only",
    )
    robot_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="hosts beside the vendors' own to which messages of chat robots may be sent, "
        "such as a proxy `chat.example.com:8443`, separated by commas; unset: the vendors' only",
    )
    notification_retention_days: Annotated[int, Field(ge=4, le=365)] = Field(
        30, description="days for which events and their deliveries are stored"
    )
    improve_at: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="time of day (UTC, such as `18:30`) from which a version of each shared model "
        "is proposed every night, from the examples that customers agreed to share; "
        "unset: only on request",
    )
    improve_min_accounts: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="minimum number of accounts that share examples before a version is proposed"
    )
    improve_min_examples: Annotated[int, Field(ge=10, le=10**6)] = Field(
        50, description="minimum number of shared examples before a version is proposed"
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("MAAS_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        pattern=r"^https?://[^\s?#]+$",
        description="collector for traces (OTLP over HTTP), such as `http://127.0.0.1:4318`; "
        "OTEL_EXPORTER_OTLP_ENDPOINT has the same effect; unset: no traces",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="bearer token required to read `/metrics`; unset: no token is required",
    )
    response_retention_days: Annotated[int, Field(ge=1, le=365)] = Field(
        30, description="days for which responses with `store: true` are kept (`/v1/responses`)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged"
    )
    timing: Timing = Field(
        DEFAULT_TIMING,
        description="internal intervals and back-offs of a process, as JSON; for tests",
    )

    @field_validator("specialist_max_replicas", "engine_max_replicas")
    @classmethod
    def _require_max_not_below_min(cls, maximum: int | None, info: ValidationInfo) -> int | None:
        """Raise ValueError if a maximum is below its minimum setting; None is allowed."""
        minimum_field = str(info.field_name).replace("_max_", "_min_")
        if maximum is not None and maximum < info.data.get(minimum_field, 0):
            raise ValueError(f"it is smaller than MAAS_{minimum_field.upper()}")
        return maximum

    @property
    def max_engines(self) -> int:
        """The most engines of each language model that run at once."""
        return self.engine_max_replicas or self.engine_min_replicas

    @field_validator("catalog", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        """Split a text at commas, as paths may have spaces; other values are unchanged."""
        if not isinstance(value, str):
            return value
        return [path.strip() for path in value.split(",") if path.strip()]

    @field_validator("webhook_networks", "trusted_proxies", "robot_hosts", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        """Split a text at commas and spaces; other values are returned unchanged."""
        return value.replace(",", " ").split() if isinstance(value, str) else value


def load_settings() -> Settings:
    """Load the settings from environment variables and secret files.

    Raises SettingsInvalid with the name of each invalid variable.
    """
    try:
        return Settings(_secrets_dir=_readable_secrets_dir())
    except SettingsError as error:
        raise SettingsInvalid(f"Invalid settings: not valid JSON: {error}.") from None
    except ValidationError as error:
        # The value is left out: it may be a secret.
        faults = "; ".join(f"MAAS_{_variable_name(e['loc'])}: {e['msg']}" for e in error.errors())
        raise SettingsInvalid(f"Invalid settings: {faults}") from None


def _readable_secrets_dir() -> Path | None:
    """Return MAAS_SECRETS_DIR, None if unset. Raises SettingsInvalid if a file is unreadable."""
    folder = os.environ.get("MAAS_SECRETS_DIR")
    if not folder:
        return None
    try:
        for file in Path(folder).iterdir():
            # pydantic-settings would treat an unreadable file as a missing one.
            if file.is_file():
                file.read_bytes()
    except OSError as error:
        raise SettingsInvalid(
            f"Invalid settings: MAAS_SECRETS_DIR cannot be read ({error.strerror})."
        ) from None
    return Path(folder)


def _variable_name(location: tuple[int | str, ...]) -> str:
    """Return the variable's name without `MAAS_` from a pydantic error location, else `?`."""
    # Fields with an alias are reported by the alias, which has the prefix already.
    return str(location[0]).upper().removeprefix("MAAS_") if location else "?"
