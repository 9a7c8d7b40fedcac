"""Settings: read once, checked, and told apart by name when they are wrong."""

import pytest

from infra.settings import SettingsInvalid, load_settings


class TestLoad:
    def test_defaults_need_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MAAS_DATABASE_URL", raising=False)
        settings = load_settings()
        assert (settings.host, settings.port, settings.profile) == ("127.0.0.1", 8080, "cpu")
        assert settings.database_url is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "eighty"),
            ("PORT", "70000"),
            ("WORKERS", "0"),
            ("PROFILE", "tpu"),
            ("SERVING_URL", "ftp://x"),
            ("SECRET_KEY", "short"),
            ("CURRENCY", "EUR"),
            ("IDLE_TIMEOUT_S", "-1"),
        ],
    )
    def test_a_wrong_value_is_named_and_not_repeated(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(f"MAAS_{name}", value)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings()
        assert f"MAAS_{name}" in caught.value.message
        if name == "SECRET_KEY":
            assert value not in caught.value.message

    def test_an_empty_variable_is_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_SERVING_URL", "")
        assert load_settings().serving_url is None

    def test_secrets_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_SECRET_KEY", "s" * 40)
        monkeypatch.setenv("MAAS_DATABASE_URL", "postgresql://u:hidden@h/d")
        assert "hidden" not in repr(load_settings())
        assert "sss" not in repr(load_settings())
