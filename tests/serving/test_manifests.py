"""Kubernetes manifests, compose file, alerts and dashboard: schemas, and that the parts agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import promql_parser
import pytest
import yaml

from serving import config, text_config

FOLDER = Path(__file__).parents[2] / "serving"
K8S = FOLDER / "k8s"
OVERLAYS = ("cpu", "gpu", "bucket")
KUSTOMIZE = (["kustomize", "build"], ["kubectl", "kustomize"])
# Names that the C++ server registers, read in its source; a histogram adds _bucket.
METRICS = {
    ":tensorflow:serving:request_count",
    ":tensorflow:serving:request_latency_bucket",
    ":tensorflow:serving:runtime_latency_bucket",
    ":tensorflow:serving:batching_session:queuing_latency_bucket",
    ":tensorflow:cc:saved_model:load_attempt_count",
}


def documents(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]


def is_whole(document: object) -> bool:
    """Tell manifests from patches and kustomizations."""
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind not in (None, "Kustomization") and "$patch" not in json.dumps(document)


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[tuple[str, str], dict]]:
    """Every overlay as kustomize builds it: (kind, name) to manifest."""
    found = next((words for words in KUSTOMIZE if shutil.which(words[0])), None)
    if found is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    built = {}
    for name in OVERLAYS:
        command = [*found, str(K8S / "overlays" / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        built[name] = {(d["kind"], d["metadata"]["name"]): d for d in documents(done.stdout)}
    return built


def pod(overlay: dict) -> tuple[dict, dict]:
    spec = overlay["Deployment", "tf-serving"]["spec"]["template"]["spec"]
    return spec, spec["containers"][0]


def test_every_plain_manifest_keeps_to_the_newest_schema() -> None:
    """Also where no kustomize is installed: all files that are no patches."""
    version = kubernetes_validate.latest_version()
    kinds = set()
    for file in [*K8S.glob("base/*.yaml"), *K8S.glob("overlays/*/*.yaml")]:
        if file.name in ("gpu.yaml", "bucket.yaml"):
            continue
        for document in filter(is_whole, documents(file.read_text())):
            kubernetes_validate.validate(document, version, strict=True)
            kinds.add(document["kind"])
    assert kinds == {
        *("PersistentVolumeClaim", "Deployment", "Service", "PodDisruptionBudget"),
        *("NetworkPolicy", "HorizontalPodAutoscaler", "ServiceAccount"),
    }


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_kustomize_builds_keeps_to_old_and_new_schemas(rendered, name) -> None:
    for document in rendered[name].values():
        for version in ("1.29", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(document, version, strict=True)
    assert all(d["metadata"]["namespace"] == "genvision" for d in rendered[name].values())


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_parts_of_an_overlay_agree(rendered, name) -> None:
    overlay = rendered[name]
    spec, container = pod(overlay)
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in spec["volumes"]}
    assert all("subPath" not in mount for mount in container["volumeMounts"])
    for volume in spec["volumes"]:
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in overlay
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", "models") in overlay
    labels = overlay["Deployment", "tf-serving"]["spec"]["template"]["metadata"]["labels"]
    for service in ("tf-serving", "tf-serving-rest"):
        assert overlay["Service", service]["spec"]["selector"].items() <= labels.items()
    assert overlay["Service", "tf-serving"]["spec"]["clusterIP"] == "None"
    for kind, part in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert overlay[kind, "tf-serving"]["spec"][part]["matchLabels"].items() <= labels.items()
    scaler = overlay["HorizontalPodAutoscaler", "tf-serving"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "tf-serving" and scaler["minReplicas"] >= 2
    assert "replicas" not in overlay["Deployment", "tf-serving"]["spec"]
    flags = dict(arg.removeprefix("--").split("=", 1) for arg in container["args"])
    folders = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    maps = {v["name"]: v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v}
    for flag in ("model_config_file", "monitoring_config_file", "batching_parameters_file"):
        if flag in flags:
            folder, _, file = flags[flag].rpartition("/")
            assert file in overlay["ConfigMap", maps[folders[folder]]]["data"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_pods_are_hardened_and_wait_for_a_version(rendered, name) -> None:
    spec, container = pod(rendered[name])
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/digits/metadata"
    startup = container["startupProbe"]
    assert startup["tcpSocket"] == {"port": "grpc"}
    patience = startup["periodSeconds"] * startup["failureThreshold"]
    # A rollout is called failed, and pods that wait are protected from a drain, by defaults.
    assert rendered[name]["Deployment", "tf-serving"]["spec"]["progressDeadlineSeconds"] > patience
    budget = rendered[name]["PodDisruptionBudget", "tf-serving"]["spec"]
    assert patience >= 600 and budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert "--allow_version_labels_for_unavailable_models=true" in container["args"]
    assert "cpu" not in container["resources"]["limits"]


def test_a_full_batch_finds_a_thread_for_each_of_its_requests(rendered) -> None:
    """`session_bundle_config.proto`: single rows fill a batch only with twice as many threads."""
    _, container = pod(rendered["gpu"])
    (threads,) = (a for a in container["args"] if a.startswith("--grpc_max_threads="))
    batching = text_config._parse("BatchingParameters", (K8S / "base/batching.config").read_text())
    assert int(threads.split("=")[1]) >= 2 * batching.max_batch_size.value


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_the_file_that_the_server_polls_keeps_its_map_s_name(rendered, name) -> None:
    """A changed name restarts the pods, as settings that are read once at the start need."""
    maps = sorted(name for kind, name in rendered[name] if kind == "ConfigMap")
    assert maps[0] == "tf-serving-models" and re.fullmatch(r"tf-serving-settings-\w{10}", maps[1])
    assert len(maps) == 2


@pytest.mark.parametrize("name", OVERLAYS)
def test_resolvers_that_are_no_pods_may_be_asked(rendered, name) -> None:
    """NodeLocal DNSCache and Cloud DNS answer from link-local addresses."""
    policy = rendered[name]["NetworkPolicy", "tf-serving"]["spec"]
    asked = [e for e in policy["egress"] if {"protocol": "UDP", "port": 53} in e["ports"]]
    (names,) = asked
    blocks = {to["ipBlock"]["cidr"] for to in names["to"] if "ipBlock" in to}
    assert blocks == {"169.254.20.10/32", "169.254.169.254/32"}


def test_the_overlays_differ_where_they_should(rendered) -> None:
    cpu, gpu, bucket = (pod(rendered[name])[1] for name in OVERLAYS)
    assert cpu["image"] == bucket["image"] == "tensorflow/serving:2.20.0"
    assert gpu["image"] == "tensorflow/serving:2.20.0-gpu"
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "--enable_batching=true" in gpu["args"] and "--enable_batching=true" not in cpu["args"]
    assert cpu["livenessProbe"]["grpc"] == {"port": 8500}
    assert "grpc" not in gpu["livenessProbe"]
    models = rendered["bucket"]["ConfigMap", "tf-serving-models"]["data"]["models.config"]
    assert 'base_path: "gs://' in models
    assert ("PersistentVolumeClaim", "models") not in rendered["bucket"]


def test_the_text_protos_parse_as_the_servers_messages() -> None:
    text = (K8S / "base" / "models.config").read_text()
    models = config.validated(config.text_format.Parse(text, config.ModelServerConfig()))
    assert str(models["digits"].base_path) == "/models/digits"
    bucket = (K8S / "overlays" / "bucket" / "models.config").read_text()
    config.text_format.Parse(bucket, config.ModelServerConfig())
    batching = (K8S / "base" / "batching.config").read_text()
    parsed = text_config._parse("BatchingParameters", batching)
    assert parsed.allowed_batch_sizes[-1] == parsed.max_batch_size.value == 32
    monitoring = text_config._parse(
        "MonitoringConfig", (K8S / "base" / "monitoring.config").read_text()
    )
    assert monitoring.prometheus_config.enable
    deployment = yaml.safe_load((K8S / "base" / "deployment.yaml").read_text())
    notes = deployment["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/path"] == monitoring.prometheus_config.path


def ask(script: str, server) -> int:
    """Run a probe's script against the embedded server's REST port."""
    script = script.replace("/8501", f"/{server.rest_port}")
    return subprocess.run(["bash", "-c", script], timeout=20, check=False).returncode


def test_the_shell_probes_tell_an_answer_from_an_error(server) -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["tf-serving"]
    health = compose["healthcheck"]["test"][-1]
    gpu = yaml.safe_load((K8S / "overlays" / "gpu" / "gpu.yaml").read_text())
    container = gpu["spec"]["template"]["spec"]["containers"][0]
    alive = container["livenessProbe"]["exec"]["command"][-1]
    for script in (health, alive):
        assert ask(script, server) == 0
        assert ask(script.replace("models/digits", "models/nobody"), server) == 1
    # A full queue is no reason to end the process: it would end all that wait in it.
    assert "(200|503)" in alive


def test_compose_uses_the_flags_of_the_deployment_and_mounts_what_they_name() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["tf-serving"]
    deployment = yaml.safe_load((K8S / "base" / "deployment.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    name = lambda flag: flag.split("=")[0]  # noqa: E731
    assert set(map(name, compose["command"])) <= set(map(name, container["args"]))
    assert compose["image"] == container["image"]
    (mount,) = (v for v in compose["volumes"] if v.endswith(":/etc/tf-serving:ro"))
    folder = FOLDER / mount.split(":")[0]
    for flag in compose["command"]:
        if "_file=" in flag:
            assert (folder / flag.rpartition("/")[2]).is_file()
    assert compose["read_only"] and compose["user"] != "0:0"
    assert all(port.startswith("127.0.0.1:") for port in compose["ports"])


def test_the_kserve_variant_names_the_same_image_volume_and_probe() -> None:
    (service,) = documents((K8S / "kserve" / "inferenceservice.yaml").read_text())
    predictor = service["spec"]["predictor"]
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert predictor["model"]["runtimeVersion"] == "2.20.0"
    assert predictor["model"]["storageUri"] == "pvc://models/digits"
    assert predictor["securityContext"]["runAsNonRoot"]
    assert predictor["model"]["securityContext"]["readOnlyRootFilesystem"]
    deployment = yaml.safe_load((K8S / "base" / "deployment.yaml").read_text())
    args = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert set(predictor["model"]["args"]) <= set(args)
    assert predictor["model"]["readinessProbe"]["httpGet"]["path"].endswith("/metadata")


def test_alerts_and_dashboard_use_metrics_that_exist_and_explain_them() -> None:
    text = (K8S / "monitoring" / "alerts.yaml").read_text()
    (group,) = yaml.safe_load(text)["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        *("ServingErrors", "ServingSlow", "VersionDoesNotLoad"),
    ]
    dashboard = json.loads((K8S / "monitoring" / "dashboard.json").read_text())
    expressions = [rule["expr"] for rule in group["rules"]]
    for rule in group["rules"]:
        assert rule["annotations"].keys() == {"summary", "action"}
    for panel in dashboard["panels"]:
        expressions += [target["expr"] for target in panel["targets"]]
        short = re.findall(r'__name__="[^"]*:(\w+?)(?:_bucket)?"', panel["targets"][0]["expr"])
        assert short[0] in panel["description"]
    for expression in expressions:
        names = re.findall(r'__name__="([^"]+)"', expression)
        assert names and set(names) <= METRICS
        for left, right in ("()", "{}", "[]"):
            assert expression.count(left) == expression.count(right)
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(dashboard["panels"])


def test_every_query_of_alerts_and_dashboard_is_promql():
    rules = yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["groups"]
    queries = [rule["expr"] for group in rules for rule in group["rules"]]
    panels = json.loads((K8S / "monitoring" / "dashboard.json").read_text())["panels"]
    queries += [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > 8
    for query in queries:
        # What Grafana fills in before it asks.
        promql_parser.parse(query.replace("$__rate_interval", "5m"))
