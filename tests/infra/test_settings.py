"""Settings: reading, validation, and errors that name the variable."""

from pathlib import Path

import pytest

from infra.settings import SettingsInvalid, load_settings


class TestLoadSettings:
    def test_defaults_are_used_without_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("MAAS_DATABASE_URL", "MAAS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
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
    def test_invalid_value_error_names_the_variable_without_secret_values(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(f"MAAS_{name}", value)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings()
        assert f"MAAS_{name}" in caught.value.message
        if name == "SECRET_KEY":
            assert value not in caught.value.message

    @pytest.mark.parametrize("kind", ["SPECIALIST", "ENGINE"])
    def test_maximum_replicas_below_the_minimum_are_rejected(
        self, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setenv(f"MAAS_{kind}_MIN_REPLICAS", "3")
        monkeypatch.setenv(f"MAAS_{kind}_MAX_REPLICAS", "2")
        with pytest.raises(SettingsInvalid, match=f"smaller than MAAS_{kind}_MIN_REPLICAS"):
            load_settings()
        monkeypatch.setenv(f"MAAS_{kind}_MAX_REPLICAS", "3")
        load_settings()

    def test_empty_variable_counts_as_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_SERVING_URL", "")
        assert load_settings().serving_url is None

    def test_representation_hides_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAAS_SECRET_KEY", "s" * 40)
        monkeypatch.setenv("MAAS_DATABASE_URL", "postgresql://u:hidden@h/d")
        assert "hidden" not in repr(load_settings())
        assert "sss" not in repr(load_settings())


class TestSecretsFolder:
    def test_file_content_is_read_as_a_setting(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "maas_database_url").write_text("postgresql://u:hidden@h/d\n")
        (tmp_path / "MAAS_SECRET_KEY").write_text("k" * 32)
        monkeypatch.delenv("MAAS_DATABASE_URL", raising=False)
        monkeypatch.setenv("MAAS_SECRETS_DIR", str(tmp_path))
        settings = load_settings()
        assert settings.database_url is not None
        assert settings.database_url.get_secret_value() == "postgresql://u:hidden@h/d"
        assert settings.secret_key is not None
        assert "hidden" not in repr(settings)

    def test_environment_variable_takes_precedence_over_the_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "maas_port").write_text("9000")
        monkeypatch.setenv("MAAS_SECRETS_DIR", str(tmp_path))
        assert load_settings().port == 9000
        monkeypatch.setenv("MAAS_PORT", "9001")
        assert load_settings().port == 9001

    def test_invalid_file_content_is_not_part_of_the_error(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "maas_secret_key").write_text("brief")
        monkeypatch.delenv("MAAS_SECRET_KEY", raising=False)
        monkeypatch.setenv("MAAS_SECRETS_DIR", str(tmp_path))
        with pytest.raises(SettingsInvalid, match="MAAS_SECRET_KEY") as caught:
            load_settings()
        assert "brief" not in caught.value.message

    def test_missing_folder_raises_settings_invalid(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("MAAS_SECRETS_DIR", str(tmp_path / "none"))
        with pytest.raises(SettingsInvalid, match="MAAS_SECRETS_DIR"):
            load_settings()
