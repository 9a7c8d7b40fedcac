"""Deployment files: linted and rendered, without a container engine."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("helm_python", reason="Helm's library has no wheel for this machine")

import helm_python.chart as helm
import kubernetes_validate
import yaml
from helm_python.errors import HelmError

from infra.settings import Settings
from tests.infra.deploy_files import (
    ALL,
    CHART,
    DEPLOY,
    ELSEWHERE,
    environment,
    pod_templates,
    rendered,
    yaml_of,
)
from tests.support.nightly import at_length

VARIABLES = {f"MAAS_{name.upper()}" for name in Settings.model_fields}
SECRETS = {
    f"MAAS_{name.upper()}"
    for name, field in Settings.model_fields.items()
    if "SecretStr" in str(field.annotation)
}
GPU: dict[str, Any] = yaml_of(CHART / "values-gpu.yaml")
SETS = pytest.mark.parametrize(
    "values", [{}, ALL, GPU, ELSEWHERE], ids=["default", "all", "gpu", "elsewhere"]
)
# Objects of KubeRay and the Prometheus operator, whose schemas are in no package.
_FOREIGN = {"RayService", "ServiceMonitor", "PodMonitor"}


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module", autouse=True)
def _schemas_read_once() -> Iterator[None]:
    """The library reads all definitions of a version again for each object: 15 ms."""
    with pytest.MonkeyPatch.context() as patch:
        read = kubernetes_validate.utils.schema_contents
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(read))
        yield


class TestDeployFileLinters:
    @pytest.mark.usefixtures("processes")
    def test_hadolint_accepts_the_dockerfile(self) -> None:
        done = subprocess.run(
            [program("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, "")

    @pytest.mark.usefixtures("processes")
    def test_yamllint_accepts_all_yaml_files(self) -> None:
        files = [one for one in DEPLOY.rglob("*.yaml") if "templates" not in one.parts]
        assert len(files) >= 6
        done = subprocess.run(
            [program("yamllint"), "--strict", "-c", DEPLOY / ".yamllint", *files],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout

    @SETS
    def test_helm_lint_accepts_the_chart(self, values: dict[str, Any]) -> None:
        told = helm.lint(CHART, values, strict=True, namespace="plant", kube_version="v1.29.0")
        assert not told["errors"]
        assert [one for one in told["messages"] if one["severity"] > 1] == []

    @pytest.mark.parametrize("version", at_length(["1.29", "1.37"], ["1.37"]))
    @SETS
    def test_rendered_objects_are_valid_for_kubernetes_versions(
        self, values: dict[str, Any], version: str
    ) -> None:
        for (kind, _), one in rendered(values).items():
            if kind not in _FOREIGN:
                kubernetes_validate.validate(one, version, strict=True)
        for template in pod_templates(rendered(values)):
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            kubernetes_validate.validate(pod, version, strict=True)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"gatway": {}},
            {"settings": {"MAAS_PUBLIC_ULR": "x"}},
            {"settings": {"MAAS_SECRET_KEY": "in a values file"}},
            {"serving": {"profile": "tpu"}},
            {"gateway": {"replicas": 0}},
        ],
    )
    def test_misspelt_chart_value_is_rejected(self, wrong: dict[str, Any]) -> None:
        with helm.Chart.load(CHART) as chart, pytest.raises(HelmError):
            chart.validate_schema(wrong)


class TestDeploySettings:
    @SETS
    def test_each_chart_variable_is_a_known_setting(self, values: dict[str, Any]) -> None:
        for template in pod_templates(rendered(values)):
            given = {name for name in environment(template) if name.startswith("MAAS_")}
            assert given
            assert given <= VARIABLES - SECRETS

    @SETS
    def test_chart_values_are_accepted_as_settings(
        self, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for template in pod_templates(rendered(values)):
            with monkeypatch.context() as patched:
                for name, value in environment(template).items():
                    patched.setenv(name, value)
                patched.delenv("MAAS_SECRETS_DIR", raising=False)
                Settings()

    def test_chart_schema_lists_every_allowed_setting(self) -> None:
        schema = json.loads((CHART / "values.schema.json").read_text())
        known = set(schema["properties"]["settings"]["propertyNames"]["enum"])
        template = rendered({})[("Deployment", "maas-gateway")]["spec"]["template"]
        ours = set(environment(template)) - set(yaml_of(CHART / "values.yaml")["settings"])
        places = {"MAAS_DATA_DIR", "MAAS_HOST", "MAAS_PORT"}  # set by the image
        serving = {
            name
            for name in VARIABLES
            if name.startswith(
                (
                    "MAAS_SERVING_",
                    "MAAS_SPECIALIST_",
                    "MAAS_ENGINE_",
                    "MAAS_TRAINING_",
                    "MAAS_WEIGHTS_",
                )
            )
        }
        wanted = VARIABLES - SECRETS - ours - places - serving
        told = f"values.schema.json lacks {wanted - known} and has {known - wanted} too many"
        assert known == wanted, told

    def test_each_compose_variable_is_a_known_setting(self) -> None:
        for file in ("compose.yaml", "compose.gpu.yaml"):
            text = (DEPLOY / file).read_text()
            given = set(re.findall(r"^\s+(MAAS_\w+):", text, re.MULTILINE))
            assert given <= VARIABLES - SECRETS

    def test_no_secret_is_passed_as_an_environment_variable(self) -> None:
        for template in pod_templates(rendered(ALL)):
            names = " ".join(environment(template))
            assert not re.search(r"PASSWORD|TOKEN\b|SECRET_KEY|DATABASE_URL", names)
        services = yaml_of(DEPLOY / "compose.yaml")["services"]
        for service in services.values():
            for name in service.get("environment", {}):
                assert name in {"MAAS_SECRETS_DIR"} or not re.search(
                    r"(PASSWORD|TOKEN|SECRET|DATABASE_URL)$", name
                )


class TestHelmChart:
    def test_gateway_grace_period_covers_drain_shutdown_and_settlement(self) -> None:
        values = {"settings": {"MAAS_SHUTDOWN_TIMEOUT_S": "300"}, "gateway": {"drainSeconds": 15}}
        spec = rendered(values)[("Deployment", "maas-gateway")]["spec"]["template"]["spec"]
        settle = Settings.model_fields["settle_timeout_s"].default
        assert spec["terminationGracePeriodSeconds"] >= 15 + 300 + settle

    def test_migration_job_runs_before_and_contract_job_after_the_upgrade(self) -> None:
        job = rendered({})[("Job", "maas-migrate")]
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["maas", "migrate"]
        assert ("Job", "maas-contract") not in rendered({})
        last = rendered(ALL)[("Job", "maas-contract")]
        assert last["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"

    @SETS
    def test_containers_run_as_non_root_without_capabilities(self, values: dict[str, Any]) -> None:
        templates = list(pod_templates(rendered(values)))
        assert templates
        for template in templates:
            spec = template["spec"]
            assert spec["securityContext"]["runAsNonRoot"]
            assert spec["automountServiceAccountToken"] is False
            for container in spec["containers"]:
                security = container["securityContext"]
                assert security["allowPrivilegeEscalation"] is False
                assert security["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]

    def test_catalog_files_are_mounted_where_processes_and_models_read_them(self) -> None:
        catalog = {"configMap": "site", "files": ["models.toml", "providers.toml"]}
        for template in pod_templates(rendered({**ALL, "catalog": catalog})):
            paths = environment(template)["MAAS_CATALOG"].split(",")
            assert paths == ["/etc/maas/catalog/models.toml", "/etc/maas/catalog/providers.toml"]
            assert {"name": "catalog", "configMap": {"name": "site"}} in template["spec"]["volumes"]
            for container in template["spec"]["containers"]:
                mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
                assert mounts["/etc/maas/catalog"] == "catalog"

    def test_external_serving_url_renders_no_ray_objects(self) -> None:
        objects = rendered(ELSEWHERE)
        assert not {kind for kind, _ in objects} & {"RayService", "PersistentVolumeClaim"}
        template = objects[("Deployment", "maas-gateway")]["spec"]["template"]
        assert environment(template)["MAAS_SERVING_URL"] == "http://10.0.0.2:8000"

    def test_ray_service_uses_only_fields_of_kuberay(self) -> None:
        """According to the API reference of KubeRay 1.6."""
        spec = rendered(ALL)[("RayService", "maas")]["spec"]
        assert set(spec) == {
            *("upgradeStrategy", "excludeHeadPodFromServeSvc"),
            *("serveConfigV2", "rayClusterConfig"),
        }
        cluster = spec["rayClusterConfig"]
        assert set(cluster) == {
            *("rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions"),
            *("headGroupSpec", "workerGroupSpecs"),
        }
        project = tomllib.loads((DEPLOY.parent.parent / "pyproject.toml").read_text())["project"]
        ray = next(r for r in project["optional-dependencies"]["serving-cpu"] if "ray[" in r)
        assert cluster["rayVersion"] == ray.partition("==")[2]
        assert all(isinstance(v, str) for v in cluster["headGroupSpec"]["rayStartParams"].values())

    def test_gpu_values_request_one_gpu_per_worker(self) -> None:
        (group,) = rendered(GPU)[("RayService", "maas")]["spec"]["rayClusterConfig"][
            "workerGroupSpecs"
        ]
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert environment(group["template"])["MAAS_PROFILE"] == "gpu"

    def test_ray_service_deploys_the_serve_configuration(self) -> None:
        """Names and route prefixes are checked in tests/serving/test_applications.py."""
        spec = rendered({})[("RayService", "maas")]["spec"]
        assert yaml.safe_load(spec["serveConfigV2"]) == yaml_of(CHART / "serve.yaml")


class TestComposeFile:
    def test_services_drop_capabilities_and_pin_image_tags(self) -> None:
        services = yaml_of(DEPLOY / "compose.yaml")["services"]
        assert set(services) == {
            *("postgres", "migrate", "gateway", "worker", "ray-head", "ray-worker"),
            *("prometheus", "grafana"),
        }
        for name, service in services.items():
            assert service["cap_drop"] == ["ALL"], name
            assert not service.get("privileged"), name
            assert ":" in service["image"], name
            assert not service["image"].endswith(":latest"), name

    @pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]])
    def test_docker_compose_accepts_the_files(self, files: list[str]) -> None:
        compose = shutil.which("docker-compose")
        if compose is None:
            pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
        given = [word for file in files for word in ("-f", str(DEPLOY / file))]
        done = subprocess.run([compose, *given, "config", "-q"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def test_ports_are_bound_to_localhost_by_default(self) -> None:
        services = yaml_of(DEPLOY / "compose.yaml")["services"]
        published = [port for one in services.values() for port in one.get("ports", [])]
        assert published
        assert all(
            re.match(r"127\.0\.0\.1:|\$\{MAAS_BIND:-127\.0\.0\.1\}:", one) for one in published
        )

    @pytest.mark.usefixtures("processes")
    def test_secrets_script_creates_each_secret_once(self, tmp_path: Path) -> None:
        command = ["sh", str(DEPLOY / "secrets.sh"), str(tmp_path / "secrets")]
        subprocess.run(command, check=True)
        made = {one.name: one.read_text() for one in (tmp_path / "secrets").iterdir()}
        assert set(made) == set(yaml_of(DEPLOY / "compose.yaml")["secrets"])
        assert made["postgres_password"] in made["maas_database_url"]
        assert len(set(made.values())) == len(made)
        assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
        subprocess.run(command, check=True)
        assert {one.name: one.read_text() for one in (tmp_path / "secrets").iterdir()} == made
