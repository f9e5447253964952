#!/usr/bin/env bash
# Prints the manifests of the grid that main.bicep made in a resource group:  ./manifests.sh GROUP | kubectl apply -f -
set -euo pipefail
cd "$(dirname "$0")"
group=${1:?"Which resource group? ./manifests.sh GROUP"}
values=$(az deployment group show --resource-group "$group" --name main --output tsv --query \
  "properties.outputs.[overlay.value, tenant.value, identity.value, vault.value, registry.value, modelsAccount.value]")
read -r -d '' overlay tenant identity vault registry models <<<"$values" || true
[ -n "$models" ] || { echo "The deployment 'main' of $group does not say what it made." >&2; exit 1; }
kubectl kustomize "../kubernetes/overlays/$overlay" | sed \
  -e "s|GRID_TENANT|$tenant|g" -e "s|GRID_IDENTITY|$identity|g" -e "s|GRID_VAULT|$vault|g" \
  -e "s|GRID_RESOURCE_GROUP|$group|g" -e "s|GRID_MODELS_ACCOUNT|$models|g" \
  -e "s|image: grid-|image: $registry/grid-|g"
