#!/usr/bin/env bash
# An EFS file system for the cluster of cluster.yaml, its mount targets, and an image repository.
# Prints the id for kubeflow/k8s/overlays/eks/efs.yaml; a second call finds what the first made:
#   AWS_REGION=eu-central-1 kubeflow/eks/storage.sh
set -euo pipefail

CLUSTER=${CLUSTER:-genvision}
: "${AWS_REGION:?name the region of cluster.yaml: AWS_REGION=eu-central-1 kubeflow/eks/storage.sh}"
# Version 1 of the command knows the region by the other name, version 2 has a pager.
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION AWS_PAGER=""

# One value of an answer, as text.
ask() { aws "$@" --output text; }
cluster() { ask eks describe-cluster --name "$CLUSTER" --query "cluster.resourcesVpcConfig.$1"; }
state() { ask efs describe-file-systems --file-system-id "$id" --query "FileSystems[0].$1"; }

# The token makes the call repeatable: the same one names the same file system.
id=$(ask efs describe-file-systems --creation-token "$CLUSTER" \
  --query 'FileSystems[0].FileSystemId')
if [[ $id == None ]]; then
  id=$(ask efs create-file-system --creation-token "$CLUSTER" --encrypted \
    --throughput-mode elastic --tags "Key=Name,Value=$CLUSTER" --query FileSystemId)
fi
until [[ $(state LifeCycleState) == available ]]; do
  sleep 2
done

# Pods reach it from the cluster's own security group, over NFS inside that group only.
group=$(cluster clusterSecurityGroupId)
targets=$(ask efs describe-mount-targets --file-system-id "$id" \
  --query 'MountTargets[].AvailabilityZoneName')
for subnet in $(cluster 'subnetIds[]'); do
  zone=$(ask ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[0].AvailabilityZone')
  if [[ " ${targets//$'\t'/ } " != *" $zone "* ]]; then
    aws efs create-mount-target --file-system-id "$id" --subnet-id "$subnet" \
      --security-groups "$group" >/dev/null
    targets+=" $zone"
  fi
done

aws ecr describe-repositories --repository-names genvision >/dev/null 2>&1 ||
  aws ecr create-repository --repository-name genvision >/dev/null
echo "$id"
