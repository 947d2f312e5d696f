"""Manifests for Kubernetes: as its schemas have them, and of one piece with each other and with us."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml

from tests.deployment.files import ROOT
from verbwire.http.access.path_access import HEALTH
from verbwire.scaffolding.create import create_project
from verbwire.scaffolding.requirement import Requirement
from verbwire.settings import Settings, load_settings
from verbwire.worker.shutdown import STOP_SECONDS

OLDEST, NEWEST = "1.30", "1.37"
KUSTOMIZE = [
    [path, *more]
    for name, *more in (("kustomize", "build"), ("kubectl", "kustomize"))
    if (path := shutil.which(name)) is not None
]


class Manifests(NamedTuple):
    """The manifests of a folder `deploy/kubernetes`."""

    folder: Path

    def all(self) -> list[dict[str, Any]]:
        files = sorted(each for each in self.folder.rglob("*.yaml") if each.name != "kustomization.yaml")
        return [document for each in files for document in yaml.safe_load_all(each.read_text("utf-8"))]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {each["metadata"]["name"]: each for each in self.all() if each["kind"] == kind}

    def pods(self) -> dict[str, dict[str, Any]]:
        """The pod templates of all that has one, by its name."""
        return {
            name: each["spec"]["template"] for kind in ("StatefulSet", "Job") for name, each in self.of(kind).items()
        }

    def settings(self) -> dict[str, str]:
        """The environment of the workers, as kustomize reads the file."""
        lines = (self.folder / "settings/settings.env").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


OURS = Manifests(ROOT / "deploy/kubernetes")
WORKERS = OURS.of("StatefulSet")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Those of a new project whose name no host may have."""
    folder = tmp_path_factory.mktemp("new") / "my_home"
    create_project("my_home", folder, Requirement("9.8.7"))
    return Manifests(folder / "deploy/kubernetes")


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_manifests_fit_the_schemas_of_the_oldest_and_newest_version(version: str, theirs: Manifests) -> None:
    known = [each for each in (*OURS.all(), *theirs.all()) if "monitoring.coreos.com" not in each["apiVersion"]]
    assert {each["kind"] for each in known} == {
        "StatefulSet",
        "Service",
        "PodDisruptionBudget",
        "Job",
        "ServiceAccount",
    }
    for each in known:
        kubernetes_validate.validate(each, version, strict=True)


def test_kubernetes_names_are_those_of_hosts_whatever_the_project_is_called(theirs: Manifests) -> None:
    text = "".join(each.read_text("utf-8") for each in theirs.folder.rglob("*.yaml"))
    assert "namespace: my-home\n" in text
    assert "my_home" not in text
    assert theirs.settings()["VERBWIRE_HTTP_AUDIENCE"] == "my_home"


def test_kubernetes_settings_are_taken_by_verbwire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0" * 64)
    own = {each["name"]: each.get("value", "streams-0") for each in container(OURS.pods()["streams"])["env"]}
    for name, value in (OURS.settings() | own).items():
        value = value.replace("$(VERBWIRE_WORKER)", own["VERBWIRE_WORKER"])
        monkeypatch.setenv(name, str(secret) if name.endswith("_FILE") else value)
    settings = load_settings(ROOT)
    assert (settings.worker, settings.http_advertised_url) == ("streams-0", "http://streams-0.streams:8700")
    named = {re.sub("^VERBWIRE_|_FILE$", "", name).lower() for name in OURS.settings() | own}
    assert {name for name, _, source in settings.shown() if source.startswith("VERBWIRE_")} >= named
    assert named <= {*Settings.__dataclass_fields__}


def test_kubernetes_workers_are_found_by_name_and_asked_whether_they_are_well() -> None:
    services = OURS.of("Service")
    for name, each in WORKERS.items():
        labels = each["spec"]["template"]["metadata"]["labels"]
        headless = services[each["spec"]["serviceName"]]["spec"]
        assert (headless["clusterIP"], headless["publishNotReadyAddresses"]) == ("None", True)
        for selector in (headless["selector"], each["spec"]["selector"]["matchLabels"]):
            assert selector.items() <= labels.items()
        worker = container(each["spec"]["template"])
        assert worker["args"] == ["verbwire", "worker", name]
        assert {worker[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")} <= HEALTH
        assert worker["ports"] == [{"name": "http", "containerPort": Settings.http_port}]
    fronts = services["http"]["spec"]["selector"].items()
    assert any(fronts <= each["spec"]["template"]["metadata"]["labels"].items() for each in WORKERS.values())


def test_kubernetes_lets_a_worker_end_itself_and_takes_one_at_a_time() -> None:
    for name, each in WORKERS.items():
        pod = each["spec"]["template"]["spec"]
        grace = pod["terminationGracePeriodSeconds"]
        assert grace > container({"spec": pod})["lifecycle"]["preStop"]["sleep"]["seconds"] + STOP_SECONDS + 5
        budget = OURS.of("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == each["spec"]["selector"]["matchLabels"]
        assert budget["maxUnavailable"] == 1


def test_kubernetes_pods_have_no_rights_and_bounded_memory() -> None:
    uid = int(re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[0])
    for pod in OURS.pods().values():
        security, worker = pod["spec"]["securityContext"], container(pod)
        assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, uid, uid)
        assert worker["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in worker["resources"]["limits"]
        assert not pod["spec"]["automountServiceAccountToken"]
        assert not pod["spec"]["enableServiceLinks"], "VERBWIRE_* of a service would be taken for settings"


def test_kubernetes_pods_name_nothing_that_is_not_there() -> None:
    shared = yaml.safe_load((OURS.folder / "settings/kustomization.yaml").read_text("utf-8"))
    maps, secrets, images = (
        {each["name"]: each for each in shared[key]} for key in ("configMapGenerator", "secretGenerator", "images")
    )
    files = {Path(each).name for each in secrets["secrets"]["files"]}
    for pod in OURS.pods().values():
        worker = container(pod)
        assert worker["image"] in images
        assert {each["configMapRef"]["name"] for each in worker["envFrom"]} <= maps.keys()
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        claims = {each["metadata"]["name"] for each in WORKERS["streams"]["spec"]["volumeClaimTemplates"]}
        assert {each["name"] for each in worker["volumeMounts"]} <= volumes.keys() | claims
        assert volumes["secrets"]["secret"]["secretName"] in secrets
        assert pod["spec"].get("serviceAccountName", "worker") in OURS.of("ServiceAccount")
        mounted = {each["name"]: each["mountPath"] for each in worker["volumeMounts"]}
        for name, value in OURS.settings().items():
            if name.endswith("_FILE"):
                assert value in {f"{mounted['secrets']}/{each}" for each in files}
        assert re.search(f"VERBWIRE_DATA={mounted['data']}$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)


def test_kubernetes_monitoring_finds_the_workers_and_has_the_alert_rules() -> None:
    (monitor,), (rules,) = OURS.of("ServiceMonitor").values(), OURS.of("PrometheusRule").values()
    spec = monitor["spec"]
    (chosen,) = spec["selector"]["matchExpressions"]
    found = {
        name
        for name, each in OURS.of("Service").items()
        if each["metadata"]["labels"][chosen["key"]] in chosen["values"]
        and spec["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    }
    assert found == WORKERS.keys()
    assert {"targetLabel": "job", "replacement": "verbwire"} in spec["endpoints"][0]["relabelings"]
    assert rules["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))


@pytest.mark.skipif(not KUSTOMIZE, reason="neither kustomize nor kubectl is here")
def test_kubernetes_folders_are_put_together_by_kustomize(theirs: Manifests) -> None:
    secret = theirs.folder / "settings/.secrets/http-internal-secret"
    secret.parent.mkdir()
    secret.write_text("0" * 64)
    for each in ("deploy", "workers", "monitoring"):
        ran = subprocess.run([*KUSTOMIZE[0], theirs.folder / each], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        made = list(yaml.safe_load_all(ran.stdout))
        assert {document["metadata"]["namespace"] for document in made} == {"my-home"}
        if each != "monitoring":
            assert "image: registry.example/my-home:0.1.0" in ran.stdout
            for document in made:
                kubernetes_validate.validate(document, NEWEST, strict=True)
