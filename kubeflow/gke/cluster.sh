#!/usr/bin/env bash
# A GKE cluster with the node pools that recipes name. Says what it does, keeps what is there:
#   PROJECT=my-project ZONE=europe-west4-a BUCKET=my-bucket kubeflow/gke/cluster.sh
# The control plane and one small machine stay on; every pool below starts and ends at zero.
set -euo pipefail

: "${PROJECT:?name the Google Cloud project: PROJECT=my-project kubeflow/gke/cluster.sh}"
CLUSTER=${CLUSTER:-genvision}
ZONE=${ZONE:-europe-west4-a}
REGION=${ZONE%-*}
BUCKET=${BUCKET:-}
MAX_GPUS=${MAX_GPUS:-4}

# A step: what it makes, the command that tells whether it is there, and -- the one that makes it.
step() {
  local name=$1 test=() make=()
  shift
  while [[ $1 != -- ]]; do test+=("$1"); shift; done
  shift
  make=("$@")
  if "${test[@]}" --project="$PROJECT" >/dev/null 2>&1; then
    echo "exists   $name"
  else
    echo "creating $name"
    "${make[@]}" --project="$PROJECT" --quiet
  fi
}

# Labels and taints are those of kubernetes.pools in a recipe; pods reach a pool through them alone.
pool() {
  local name=$1
  shift
  step "node pool $name" \
    gcloud container node-pools describe "$name" --cluster="$CLUSTER" --location="$ZONE" -- \
    gcloud container node-pools create "$name" --cluster="$CLUSTER" --location="$ZONE" \
    --node-labels="genvision/pool=$name" --num-nodes=0 --enable-autoscaling --min-nodes=0 \
    --enable-image-streaming --workload-metadata=GKE_METADATA --shielded-secure-boot \
    --scopes=cloud-platform "$@"
}

# A new project has none of these on, and --quiet answers gcloud's offer to enable one with no.
gcloud services enable compute.googleapis.com container.googleapis.com file.googleapis.com \
  artifactregistry.googleapis.com containerfilesystem.googleapis.com --project="$PROJECT" --quiet

# The default pool holds Kubeflow Pipelines. Dataplane V2 enforces network policies, Filestore is
# the shared volume, image streaming starts pods before gigabytes are there.
step "cluster $CLUSTER" \
  gcloud container clusters describe "$CLUSTER" --location="$ZONE" -- \
  gcloud container clusters create "$CLUSTER" --location="$ZONE" --release-channel=regular \
  --machine-type=e2-standard-4 --num-nodes=1 --enable-autoscaling --min-nodes=1 --max-nodes=3 \
  --enable-dataplane-v2 --enable-ip-alias --enable-image-streaming \
  --workload-pool="$PROJECT.svc.id.goog" --autoscaling-profile=optimize-utilization \
  --addons=GcpFilestoreCsiDriver,HorizontalPodAutoscaling,HttpLoadBalancing

pool cpu --machine-type=n2-standard-8 --max-nodes=4

# One L4 (24 GB) each. GKE installs the driver; the spot machines cost about a third.
pool gpu --machine-type=g2-standard-8 --max-nodes="$MAX_GPUS" \
  --accelerator=type=nvidia-l4,count=1,gpu-driver-version=latest \
  --node-taints=nvidia.com/gpu=present:NoSchedule

pool gpu-spot --machine-type=g2-standard-8 --max-nodes="$MAX_GPUS" --spot \
  --accelerator=type=nvidia-l4,count=1,gpu-driver-version=latest \
  --node-taints=nvidia.com/gpu=present:NoSchedule,genvision/spot=true:NoSchedule

step "image repository genvision" \
  gcloud artifacts repositories describe genvision --location="$REGION" -- \
  gcloud artifacts repositories create genvision --location="$REGION" --repository-format=docker

# Nodes pull with the project's default account, which newer organizations give no rights.
number=$(gcloud projects describe "$PROJECT" --format="value(projectNumber)")
gcloud artifacts repositories add-iam-policy-binding genvision --location="$REGION" \
  --project="$PROJECT" --quiet --role=roles/artifactregistry.reader \
  --member="serviceAccount:$number-compute@developer.gserviceaccount.com" >/dev/null

# A bucket is only needed for gs:// roots and Dataflow. Pods act as their own account: no key.
if [[ -n $BUCKET ]]; then
  step "bucket gs://$BUCKET" \
    gcloud storage buckets describe "gs://$BUCKET" -- \
    gcloud storage buckets create "gs://$BUCKET" --location="$REGION" --uniform-bucket-level-access
  pods="principal://iam.googleapis.com/projects/$number/locations/global/workloadIdentityPools"
  gcloud storage buckets add-iam-policy-binding "gs://$BUCKET" --role=roles/storage.objectAdmin \
    --member="$pods/$PROJECT.svc.id.goog/subject/ns/kubeflow/sa/genvision-runner" >/dev/null
fi

gcloud container clusters get-credentials "$CLUSTER" --location="$ZONE" --project="$PROJECT"
echo "images   $REGION-docker.pkg.dev/$PROJECT/genvision/genvision:TAG"
