"""Arguments, environment and folders of the model server, and HAProxy's start script."""

import shutil
import socket
import stat
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from serving.cluster.arguments import LOOPBACK, Arguments, parse_arguments
from serving.cluster.environment import (
    Ports,
    build_environment,
    find_free_ports,
    traces_endpoint,
    write_ray_token,
)
from serving.cluster.haproxy import kill_leftover_haproxy, write_haproxy_script
from serving.errors import ServingFailed
from serving.folders import (
    Folders,
    create_folders,
    delete_old_sessions,
    lock_data_dir,
    resolve_folders,
)
from serving.scaling import ENGINE_UPSCALE_DELAY_S, Scaling, ScalingSettings, default_max_replicas

SCALING = Scaling(min_replicas=1, max_replicas=2, target_requests=8.0, idle_s=600.0)
SCALINGS = ScalingSettings(SCALING, SCALING)
PORTS = Ports(metrics=9101, stats=8404, fallback=8500)
CONFIG = """frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
"""


def arguments(host: str = LOOPBACK) -> Arguments:
    return Arguments(Path("/data"), "cpu", host, 8000, False, SCALINGS)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    ray = tmp_path / "ray"
    made = Folders(
        data=tmp_path,
        ray=ray,
        run=ray / "run",
        logs=tmp_path / "logs",
        variants=tmp_path / "variants",
        adapters=tmp_path / "adapters",
        counts=tmp_path / "counts",
    )
    create_folders(made)
    return made


class TestTraceExport:
    def test_no_collector_sets_no_tracing_variables(self, folders: Folders) -> None:
        made = build_environment(folders, PORTS, {"PATH": "/bin"})
        assert not [name for name in made if "TRACING" in name or name.startswith("OTEL")]

    @pytest.mark.parametrize("name", ["MAAS_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
    def test_collector_makes_ray_serve_follow_gateway_sampling(
        self, folders: Folders, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = build_environment(folders, PORTS, {name: "http://127.0.0.1:4318/"})
        assert made["RAY_SERVE_TRACING_SAMPLING_RATIO"] == "0"
        assert made["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
        assert traces_endpoint(made) == "http://127.0.0.1:4318"
        module, _, function = made["RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH"].partition(":")
        monkeypatch.setenv(name, made[name])
        (processor,) = getattr(import_module(module), function)()
        processor.shutdown()


class TestProcessEnvironment:
    def test_operator_variable_overrides_default(self, folders: Folders) -> None:
        made = build_environment(folders, PORTS, {"VLLM_CPU_KVCACHE_SPACE": "4", "PATH": "/bin"})
        assert made["VLLM_CPU_KVCACHE_SPACE"] == "4"
        assert made["PATH"] == "/bin"

    @pytest.mark.parametrize(
        "name", ["RAYLLM_ENABLE_REQUEST_PROMPT_LOGS", "RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED"]
    )
    def test_security_and_privacy_variables_cannot_be_overridden(
        self, folders: Folders, name: str
    ) -> None:
        made = build_environment(folders, PORTS, {name: "something else"})
        assert made[name] != "something else"

    def test_all_paths_are_below_data_dir(self, folders: Folders) -> None:
        made = build_environment(folders, PORTS, {})
        paths = [value for value in made.values() if value.startswith("/")]
        assert paths
        assert all(path.startswith(str(folders.data)) for path in paths)

    @pytest.mark.usefixtures("network")
    def test_free_ports_are_distinct_and_below_ephemeral_range(self) -> None:
        ports = find_free_ports()
        numbers = {ports.metrics, ports.stats, ports.fallback}
        assert len(numbers) == 3
        assert max(numbers) < 32_768  # start of Linux's ephemeral range
        for number in numbers:
            socket.create_server((LOOPBACK, number)).close()

    def test_ray_token_is_new_per_start_and_private_to_user(self, folders: Folders) -> None:
        write_ray_token(folders)
        path = folders.run / "ray-token"
        first = path.read_text()
        write_ray_token(folders)
        assert path.read_text() != first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class TestFolders:
    def test_ray_folder_path_is_short_enough_for_unix_socket(self, tmp_path: Path) -> None:
        assert resolve_folders(Path("/data")).ray == Path("/data/ray")
        deep = tmp_path / ("long" * 30)
        assert len(str(resolve_folders(deep).ray)) <= 40
        assert resolve_folders(deep) == resolve_folders(deep)
        assert resolve_folders(deep).ray != resolve_folders(deep / "other").ray

    def test_run_and_variants_folders_are_private(self, folders: Folders) -> None:
        for folder in (folders.run, folders.variants):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_second_lock_of_data_dir_is_rejected(self, folders: Folders) -> None:
        with lock_data_dir(folders):
            with (
                pytest.raises(ServingFailed, match="Another serving process"),
                lock_data_dir(folders),
            ):
                pass
        with lock_data_dir(folders):
            pass

    def test_cleanup_keeps_two_latest_ray_sessions(self, folders: Folders) -> None:
        for day in range(1, 6):
            (folders.ray / f"session_2026-01-0{day}").mkdir()
        delete_old_sessions(folders)
        kept = sorted(path.name for path in folders.ray.glob("session_*"))
        assert kept == ["session_2026-01-04", "session_2026-01-05"]
        assert folders.run.is_dir()


class TestHaproxy:
    @pytest.mark.usefixtures("processes")
    @pytest.mark.parametrize(
        ("host", "public"), [(LOOPBACK, "127.0.0.1:8000"), ("0.0.0.0", "0.0.0.0:8000")]
    )
    def test_start_script_rewrites_bind_addresses(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch, host: str, public: str
    ) -> None:
        echo = shutil.which("echo")
        assert echo is not None
        monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", echo)
        config = folders.run / "node" / "haproxy.cfg"
        config.parent.mkdir()
        config.write_text(CONFIG)
        script = write_haproxy_script(folders, PORTS, arguments(host))
        done = subprocess.run(
            [script, "-db", "-f", config, "-dR"], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["-db", "-f", str(config), "-dR"]
        binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
        assert binds == ["bind 127.0.0.1:9101", f"bind {public}", "bind 127.0.0.1:8404"]

    @pytest.mark.usefixtures("processes")
    def test_cleanup_kills_only_leftover_process_of_own_run_folder(
        self, folders: Folders, tmp_path: Path
    ) -> None:
        wait = [sys.executable, "-c", "import time; time.sleep(60)"]
        left = subprocess.Popen([*wait, str(folders.run / "node" / "haproxy.cfg")])
        foreign = subprocess.Popen([*wait, str(tmp_path / "elsewhere" / "haproxy.cfg")])
        try:
            kill_leftover_haproxy(folders)
            left.wait(5)
            assert foreign.poll() is None
        finally:
            for process in (left, foreign):
                process.kill()
                process.wait()


class TestArguments:
    def test_defaults_use_loopback_and_cpu_profile(self) -> None:
        given = parse_arguments(["--data-dir", "/data"])
        assert (given.host, given.port, given.profile) == ("127.0.0.1", 8000, "cpu")
        assert given.exit_with_parent is False
        assert given.scaling.specialists == Scaling(1, default_max_replicas(), 8.0, 600.0)
        assert given.scaling.engines == Scaling(1, 1, 16.0, 600.0, ENGINE_UPSCALE_DELAY_S)

    def test_all_options_are_parsed(self) -> None:
        given = parse_arguments(
            "--data-dir /d --profile gpu --host 0.0.0.0 --port 9 --exit-with-parent "
            "--specialist-min-replicas 0 --specialist-max-replicas 3 "
            "--specialist-target-requests 2.5 --specialist-idle-s 60 "
            "--engine-min-replicas 2 --engine-max-replicas 4 "
            "--engine-target-requests 20 --engine-idle-s 900 --training-gpus 0.4".split()
        )
        scalings = ScalingSettings(
            Scaling(0, 3, 2.5, 60.0), Scaling(2, 4, 20.0, 900.0, ENGINE_UPSCALE_DELAY_S), 0.4
        )
        assert given == Arguments(Path("/d"), "gpu", "0.0.0.0", 9, True, scalings)

    def test_max_replicas_defaults_to_at_least_min_replicas(self) -> None:
        line = "--data-dir /d --specialist-min-replicas 500 --engine-min-replicas 3"
        given = parse_arguments(line.split()).scaling
        assert (given.specialists.max_replicas, given.engines.max_replicas) == (500, 3)

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "--data-dir /d --profile tpu",
            "--data-dir /d --port x",
            "--data-dir /d --specialist-min-replicas -1",
            "--data-dir /d --specialist-min-replicas 3 --specialist-max-replicas 2",
            "--data-dir /d --specialist-target-requests 0",
            "--data-dir /d --specialist-idle-s -1",
            "--data-dir /d --engine-min-replicas 0",
            "--data-dir /d --engine-min-replicas 3 --engine-max-replicas 2",
            "--data-dir /d --engine-target-requests 0",
            "--data-dir /d --training-gpus 0",
            "--data-dir /d --training-gpus 1.5",
        ],
    )
    def test_invalid_options_exit_with_usage(
        self, line: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            parse_arguments(line.split())
        assert caught.value.code == 2
        assert "usage:" in capsys.readouterr().err
