"""Cluster files: schemas, and that they agree with recipes, Beam's option files and one another.

Custom resources (Karpenter, Flink, eksctl) have no schema in the environment: their fields are held
to the shapes below, which follow the published definitions (Karpenter v1, Flink operator v1beta1,
eksctl v1alpha5). Node pools of both clouds are held to the recipe section `kubernetes`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from pipeline.kubernetes import GPU, SPOT, Kubernetes
from pipeline.runners.kubeflow.connection import PASSWORD

FOLDER = Path(__file__).parents[2] / "kubeflow"
K8S = FOLDER / "k8s"
BUILT = ("overlays/gke", "overlays/eks", "overlays/kind", "serving", "beam/flink", "beam/spark")
KUSTOMIZE = (
    ["kustomize", "build", "--load-restrictor=LoadRestrictionsNone"],
    ["kubectl", "kustomize"],
)
TEXT, MAP = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}


def closed(required: list[str], **properties: dict) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def items(item: dict) -> dict:
    return {"type": "array", "items": item, "minItems": 1}


RESOURCE = closed(["cpu", "memory"], cpu={"type": "number"}, memory=TEXT)
NODE_POOL = closed(
    ["template", "limits", "disruption"],
    template=closed(
        ["metadata", "spec"],
        metadata=closed(["labels"], labels=MAP),
        spec=closed(
            ["nodeClassRef", "requirements"],
            nodeClassRef=closed(["group", "kind", "name"], group=TEXT, kind=TEXT, name=TEXT),
            taints=items(
                closed(
                    ["key", "effect"],
                    key=TEXT,
                    value=TEXT,
                    effect={"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
                )
            ),
            requirements=items(
                closed(
                    ["key", "operator", "values"],
                    key=TEXT,
                    operator={"enum": ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]},
                    values=items(TEXT),
                )
            ),
        ),
    ),
    limits=MAP,
    disruption=closed(
        ["consolidationPolicy", "consolidateAfter"],
        consolidationPolicy={"enum": ["WhenEmpty", "WhenEmptyOrUnderutilized"]},
        consolidateAfter=TEXT,
    ),
)
FLINK = closed(
    ["image", "flinkVersion", "jobManager", "taskManager"],
    image=TEXT,
    flinkVersion={"enum": ["v1_19", "v1_20", "v2_0"]},
    mode={"enum": ["native", "standalone"]},
    serviceAccount=TEXT,
    flinkConfiguration=MAP,
    jobManager=closed(["resource"], replicas={"type": "integer"}, resource=RESOURCE),
    taskManager=closed(["resource"], resource=RESOURCE, podTemplate={"type": "object"}),
)
EKSCTL = closed(
    ["apiVersion", "kind", "metadata"],
    apiVersion={"const": "eksctl.io/v1alpha5"},
    kind={"const": "ClusterConfig"},
    metadata=closed(["name", "region"], name=TEXT, region=TEXT, version=TEXT, tags=MAP),
    autoModeConfig=closed(["enabled"], enabled={"type": "boolean"}, nodePools=items(TEXT)),
    iam=closed([], withOIDC={"type": "boolean"}),
    addons=items(
        closed(["name"], name=TEXT, useDefaultPodIdentityAssociations={"type": "boolean"})
    ),
)


def documents(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]


def build(folder: Path) -> dict[tuple[str, str], dict]:
    found = next((words for words in KUSTOMIZE if shutil.which(words[0])), None)
    if found is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    done = subprocess.run([*found, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {(d["kind"], d["metadata"]["name"]): d for d in documents(done.stdout)}


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[tuple[str, str], dict]]:
    """Every folder as kustomize builds it: (kind, name) to manifest."""
    return {name: build(K8S / name) for name in BUILT}


def pods(manifests: dict[tuple[str, str], dict]) -> list[dict]:
    """The pod specs in a rendered folder."""
    found = []
    for (kind, _), document in manifests.items():
        if kind in ("Deployment", "Job"):
            found.append(document["spec"]["template"]["spec"])
        elif kind == "FlinkDeployment":
            found.append(document["spec"]["taskManager"]["podTemplate"]["spec"])
    return found


@pytest.mark.parametrize("name", BUILT)
def test_what_kustomize_builds_keeps_to_old_and_new_schemas(rendered, name) -> None:
    for (kind, _), document in rendered[name].items():
        if kind == "FlinkDeployment":
            jsonschema.validate(document["spec"], FLINK)
            document = document["spec"]["taskManager"]["podTemplate"]
            for container in document["spec"]["containers"]:
                assert ("image" in container) == (container["name"] != "flink-main-container")
        else:
            assert kind == "StorageClass" or document["metadata"]["namespace"] == "kubeflow"
        for version in ("1.29", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(document, version, strict=True)


def test_plain_files_keep_to_the_schemas() -> None:
    for document in documents((FOLDER / "eks" / "disks.yaml").read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    jsonschema.validate(yaml.safe_load((FOLDER / "eks" / "cluster.yaml").read_text()), EKSCTL)
    for pool in documents((FOLDER / "eks" / "pools.yaml").read_text()):
        assert pool["apiVersion"] == "karpenter.sh/v1" and pool["kind"] == "NodePool"
        jsonschema.validate(pool["spec"], NODE_POOL)


def test_pools_on_eks_are_those_of_recipes() -> None:
    wanted = Kubernetes().pools
    pools = documents((FOLDER / "eks" / "pools.yaml").read_text())
    assert [pool["metadata"]["name"] for pool in pools] == list(wanted)
    for pool in pools:
        recipe = wanted[pool["metadata"]["name"]]
        template = pool["spec"]["template"]
        assert template["metadata"]["labels"] == recipe.labels
        tolerated = {t.key for t in recipe.tolerations} | ({SPOT.key} if recipe.spot else set())
        assert {taint["key"] for taint in template["spec"].get("taints", ())} == tolerated
        needs = {need["key"]: need["values"] for need in template["spec"]["requirements"]}
        kind = ["spot"] if recipe.spot else ["on-demand"]
        assert needs["karpenter.sh/capacity-type"] == kind
        assert (GPU.key in pool["spec"]["limits"]) == (GPU in recipe.tolerations)
        assert ("eks.amazonaws.com/instance-gpu-count" in needs) == (GPU in recipe.tolerations)


@pytest.mark.parametrize("name", ["overlays/gke", "overlays/eks", "overlays/kind"])
def test_an_overlay_has_what_a_recipe_names(rendered, name) -> None:
    manifests, recipe = rendered[name], Kubernetes()
    claim = manifests["PersistentVolumeClaim", recipe.storage.claim]["spec"]
    assert claim["accessModes"] == (["ReadWriteOnce"] if "kind" in name else ["ReadWriteMany"])
    (policy,) = (d for (kind, _), d in manifests.items() if kind == "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    assert recipe.metadata.endswith(f":{rule['ports'][0]['port']}")
    binding = manifests["RoleBinding", "genvision-runner"]
    assert [(s["kind"], s["name"]) for s in binding["subjects"]] == [
        ("ServiceAccount", "genvision-runner")
    ]
    assert ("ServiceAccount", "genvision-runner") in manifests
    role = manifests["Role", binding["roleRef"]["name"]]
    for rights in role["rules"]:
        assert "*" not in [*rights["resources"], *rights["verbs"], *rights["apiGroups"]]
        if "secrets" in rights["resources"]:
            assert rights["resourceNames"] and rights["verbs"] == ["get"]


def test_the_volume_is_handed_over_to_the_user_of_the_image(rendered) -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert "USER 10001:10001" in dockerfile
    (mount,) = pods(rendered["overlays/gke"])[0]["containers"][0]["volumeMounts"]
    command = rendered["overlays/gke"]["Job", "genvision-prepare"]["spec"]["template"]["spec"]
    assert f"chown 10001:10001 {mount['mountPath']};" in command["containers"][0]["command"][-1]
    assert mount["mountPath"] == Kubernetes().storage.mount_path
    assert ("Job", "genvision-prepare") not in rendered["overlays/eks"]
    parameters = rendered["overlays/eks"]["StorageClass", "genvision-efs"]["parameters"]
    assert (parameters["uid"], parameters["gid"]) == ("10001", "10001")


def test_every_overlay_gets_its_class_from_where_it_is_made(rendered) -> None:
    eks = rendered["overlays/eks"]
    name = eks["PersistentVolumeClaim", "genvision"]["spec"]["storageClassName"]
    assert eks["StorageClass", name]["provisioner"] == "efs.csi.aws.com"
    gke = rendered["overlays/gke"]["PersistentVolumeClaim", "genvision"]["spec"]
    assert gke["storageClassName"] == "standard-rwx"
    assert "GcpFilestoreCsiDriver" in (FOLDER / "gke" / "cluster.sh").read_text()
    assert "storageClassName" not in rendered["overlays/kind"]["PersistentVolumeClaim", "genvision"]


def test_serving_reads_what_the_pipeline_pushes(rendered) -> None:
    manifests = rendered["serving"]
    (spec,) = pods(manifests)
    claims = [v["persistentVolumeClaim"] for v in spec["volumes"] if "persistentVolumeClaim" in v]
    assert claims == [{"claimName": Kubernetes().storage.claim, "readOnly": True}]
    assert not [name for kind, name in manifests if kind == "PersistentVolumeClaim"]
    models = manifests["ConfigMap", "tf-serving-models"]["data"]["models.config"]
    assert 'base_path: "/models/runs/digits_cgan/serving/digits"' in models


@pytest.mark.parametrize("name", ["beam/flink", "beam/spark"])
def test_beam_workers_are_hardened_and_see_the_storage(rendered, name) -> None:
    storage = Kubernetes().storage
    workers = 0
    for spec in pods(rendered[name]):
        volumes = {
            v["name"]: v["persistentVolumeClaim"]["claimName"] for v in spec.get("volumes", ())
        }
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            mounts = {volumes[m["name"]]: m["mountPath"] for m in container.get("volumeMounts", ())}
            if container["name"] != "beam-worker":
                assert mounts in ({}, {storage.claim: storage.mount_path})
                continue
            workers += 1
            assert mounts == {storage.claim: storage.mount_path}
            assert container["image"] == "REGISTRY/genvision:TAG"
            assert container["securityContext"]["runAsUser"] == 10001
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert spec["nodeSelector"] == Kubernetes().pools["cpu"].labels
    assert workers == 1


def test_secrets_have_examples_without_values_and_the_names_that_recipes_use(tmp_path) -> None:
    folder = tmp_path / "secrets"
    shutil.copytree(K8S / "secrets", folder)
    for example in folder.glob("*.env.example"):
        keys = [line for line in example.read_text().splitlines() if not line.startswith("#")]
        assert len(keys) == 1 and keys[0].endswith("="), example
        example.with_suffix("").write_text(keys[0] + "value\n")
    built = build(folder)
    assert built.keys() == {("Secret", "genvision-notify"), ("Secret", "genvision-metadata")}
    for document in built.values():
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    assert [*built["Secret", "genvision-notify"]["data"]] == ["urls"]
    text = (folder / "kustomization.yaml").read_text().splitlines()
    example = "\n".join(line.removeprefix("#") for line in text if line.startswith("#   "))
    recipe = Kubernetes.model_validate(yaml.safe_load(example)["kubernetes"])
    assert recipe.notify.secret == "genvision-notify"
    (secret,) = recipe.needs("Trainer").secrets
    assert (secret.name, secret.env) == ("genvision-metadata", {"password": PASSWORD})
    ignored = subprocess.run(
        ["git", "check-ignore", "kubeflow/k8s/secrets/notify.env"],
        cwd=FOLDER.parent, capture_output=True, check=False,
    )  # fmt: skip
    assert ignored.returncode in (0, 128)  # 128: not a git checkout
