#!/usr/bin/env bash
# Makes the secrets of compose.yaml, once, and prints the key of a first client.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
[ ! -e secrets/api-keys.json ] || { echo "The secrets are there already." >&2; exit 1; }
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
key=$(random) operators=$(random) password=$(random)
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
random >secrets/cluster-secret
printf '{"keys":[\n  {"name":"first","key":"sha256:%s"},\n  {"name":"operators","key":"sha256:%s","scopes":["operate"]}]}\n' "$(digest "$key")" "$(digest "$operators")" >secrets/api-keys.json
printf 'user default on >%s ~* &* +@all\n' "$password" >secrets/redis-users.acl
printf 'Grid__ClusterConnection=redis:6379,password=%s\n' "$password" >grid.env
# Compose gives files to containers as they are, and their users are not this one.
chmod 644 secrets/*
echo "Authorization: Bearer $key        asks for answers"
echo "Authorization: Bearer $operators        operates"
