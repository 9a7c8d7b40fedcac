"""Errors of the connector."""

from infra.errors import AppError


class ConnectorConfigInvalid(AppError):
    """The configuration file cannot be read or has wrong values."""

    code = "connector_config_invalid"
