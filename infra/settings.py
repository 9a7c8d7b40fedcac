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
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from infra.errors import AppError
from infra.timing import DEFAULT_TIMING, Timing

Port = Annotated[int, Field(ge=1, le=65535)]
_UPSTREAM_PATTERN = r"([\w.:-]+=)?https?://[^\s,?#]+"
Count = Annotated[int, Field(ge=0, le=10**12)]
Amount = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsInvalid(AppError):
    """An environment variable or secret file has an invalid value."""

    code = "settings_invalid"


class Settings(BaseSettings):
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
        description="OpenAI-compatible upstreams, one URL or several, each for all models or as "
        "`model=URL` for one; unset: Ray Serve on this machine",
    )
    host: str = Field("127.0.0.1", description="address that the gateway listens on")
    port: Port = Field(8080, description="port that the gateway listens on")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="address that people reach the gateway at, for links in e-mails and whether "
        "cookies are sent by https only; unset: the address that it listens on",
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="proxies in front of the gateway, as `10.1.0.5` or `10.1.0.0/16`, separated by "
        "commas: from them alone it is believed where a request comes from (X-Forwarded-For)",
    )
    dashboard: bool = Field(
        True, description="whether this gateway has the dashboard; false: programs' addresses alone"
    )
    workers: Annotated[int, Field(ge=1, le=256)] = Field(1, description="gateway processes")
    profile: Literal["cpu", "gpu"] = Field("cpu", description="which models are served")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("maas"),
        description="weights, the embedded database and the secret key",
    )
    secrets_dir: Path | None = Field(
        None,
        description="folder with a file for each setting that should not be in the environment, "
        "named as its variable (`maas_database_url`); a variable wins over a file",
    )
    secret_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="keys the hashes of API keys and seals second factors and links, the same on "
        "every host; unset: made once in the data directory",
    )
    currency: Literal["CNY", "USD"] = Field("CNY", description="currency of new accounts")
    credit_limit: Amount = Field(
        Decimal(100), description="what a new account may owe, in its currency"
    )
    requests_per_minute: Count = Field(600, description="of a new account")
    tokens_per_minute: Count = Field(500_000, description="of a new account")
    concurrent_streams: Count = Field(64, description="of a new account")
    serving_host: str = Field("127.0.0.1", description="address of the embedded Ray Serve")
    serving_port: Port = Field(8000, description="port of the embedded Ray Serve")
    specialist_min_replicas: Annotated[int, Field(ge=0, le=256)] = Field(
        1, description="processes that hold the specialists, at least; 0: none while nobody calls"
    )
    specialist_max_replicas: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="the same at most; unset: half the processors"
    )
    specialist_target_requests: Annotated[float, Field(gt=0, le=1000)] = Field(
        8.0, description="requests under way on each such process beyond which another is started"
    )
    specialist_idle_s: Seconds = Field(
        600.0, description="time after which such a process that is not needed is stopped"
    )
    engine_min_replicas: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="engines of each language model, at least"
    )
    engine_max_replicas: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="the same at most; unset: as many as at least"
    )
    engine_target_requests: Annotated[float, Field(gt=0, le=1000)] = Field(
        16.0, description="calls under way on each such engine beyond which another is started"
    )
    engine_idle_s: Seconds = Field(
        600.0, description="time after which such an engine that is not needed is stopped"
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        4 << 20, description="largest request body"
    )
    max_answer_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = Field(
        32 << 20, description="largest plain answer, or single event, taken from an upstream"
    )
    body_timeout_s: Seconds = Field(30.0, description="time for a client to send its body")
    connect_timeout_s: Seconds = Field(5.0, description="time to connect to the upstream")
    first_byte_timeout_s: Seconds = Field(300.0, description="time for the upstream to begin")
    idle_timeout_s: Seconds = Field(60.0, description="longest silence within a stream")
    model_concurrency: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="calls of one model that are sent at once; unset: as the catalog says"
    )
    queue_timeout_s: Seconds = Field(
        60.0, description="time that a call waits for a model that is busy with others"
    )
    credit_wait_s: Annotated[float, Field(ge=0, le=60)] = Field(
        2.0, description="time that a call waits for credit that running calls hold"
    )
    settle_timeout_s: Seconds = Field(
        15.0, description="time for a usage row to become durable before the answer is refused"
    )
    shutdown_timeout_s: Annotated[int, Field(ge=1, le=3600)] = Field(
        30, description="time for running calls to end when the gateway stops"
    )
    collector: str = Field(
        "stripe", description="payment provider that collects invoices, once it has credentials"
    )
    stripe_secret_key: SecretStr | None = Field(
        None, description="Stripe collects where it is set; unset: payments are recorded by hand"
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="signs the events that Stripe posts to `/stripe/webhook`"
    )
    stripe_api_base: str | None = Field(
        None, pattern=r"^https?://\S+$", description="another address of Stripe's API, for tests"
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="`smtp://user:password@host:587` or `smtps://…` that e-mails go by; unset: "
        "each becomes a file in the data directory, below `mail`",
    )
    mail_from: str = Field("maas@localhost", description="sender of e-mails")
    webhook_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="private networks that customers' webhooks may be in, as `10.1.0.0/16`, "
        "separated by commas; unset: the public internet only",
    )
    improve_at: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="hour (UTC, as `18:30`) from which on a version of each shared model is "
        "proposed every night, from what customers agreed to share; unset: by hand only",
    )
    improve_min_accounts: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="accounts that have to share examples before a version is proposed"
    )
    improve_min_examples: Annotated[int, Field(ge=10, le=10**6)] = Field(
        50, description="examples that have to be shared before a version is proposed"
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("MAAS_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        pattern=r"^https?://[^\s?#]+$",
        description="collector that traces go to by OTLP over HTTP, as `http://127.0.0.1:4318`, or "
        "by OpenTelemetry's own variable; unset: nothing is traced",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="what whoever reads `/metrics` has to show, as a bearer token; unset: nothing",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    timing: Timing = Field(
        DEFAULT_TIMING, description="intervals and back-offs of a process, as JSON; for tests"
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

    @field_validator("webhook_networks", "trusted_proxies", mode="before")
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
