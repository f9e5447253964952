#!/usr/bin/env bash
# Lays out what an image of a program adds to its base image: layout.sh gateway|silo FOLDER
set -euo pipefail
program=$1 root=$2
cd "$(dirname "$0")/../.."
# One output for all architectures: the base image has the runtime and starts it.
dotnet publish "$program" -c Release -o "$root/app" -p:UseAppHost=false -p:DebugType=none -p:GenerateDocumentationFile=false -p:EnforceCodeStyleInBuild=false -v quiet --nologo
# What the image's user may write is what its volumes are mounted on, and /tmp.
mkdir -p "$root/models" "$root/var/cache/grid" "$root/run/secrets/grid"
chmod -R a+rX "$root"
