#!/usr/bin/env bash
# Runs an image's layout where there is no container engine, under the image's rules: a root of its own that cannot be written, its user
# without rights, /tmp in memory, a network and processes of its own. As root: try.sh gateway|silo [OPTION...]
# This machine's .NET and C library stand in for the base image.
set -euo pipefail
program=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
case $program in gateway) assembly=Grid.Gateway.dll ;; silo) assembly=Grid.Silo.dll ;; *) echo "try.sh gateway|silo [OPTION...]" >&2; exit 2 ;; esac
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
"$here/layout.sh" "$program" "$root"

# What stands in for the base image: the shared runtime, and the libraries that it loads.
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
mkdir -p "$root/usr/share/dotnet" "$root/usr/bin" "$root/etc/ssl" "$root/tmp" "$root/proc" "$root/dev"
cp -r "$dotnet/dotnet" "$dotnet/host" "$dotnet/shared" "$root/usr/share/dotnet/"
ln -s /usr/share/dotnet/dotnet "$root/usr/bin/dotnet"
cp -r /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true
printf 'app:x:1654:1654::/tmp:/sbin/nologin\n' >"$root/etc/passwd"
printf 'hosts: files\n' >"$root/etc/nsswitch.conf"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
{ find "$root/usr/share/dotnet" -name '*.so' -o -name dotnet -type f; ldconfig -p | sed -nE 's/.*(lib(ssl|crypto|nss_files)\.so[.0-9]*).*=> (.*)/\3/p'; } \
  | xargs -r ldd 2>/dev/null | sed -nE 's/.*=> (\/[^ ]+) .*/\1/p; s/^\s*(\/lib[^ ]+) \(.*/\1/p' | sort -u >"$root/.libraries"
ldconfig -p | sed -nE 's/.*lib(ssl|crypto)\.so[.0-9]* .*=> (.*)/\2/p' >>"$root/.libraries"
while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -Ln "$library" "$root$library"
done < <(sort -u "$root/.libraries")
rm "$root/.libraries"

# The root is mounted onto itself to be read-only; the process sees no other, has no rights, and cannot get any.
unshare --mount --pid --net --ipc --fork --kill-child bash -c '
  set -e
  root=$1 assembly=$2
  shift 2
  ip link set lo up
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
  mount -o remount,bind,ro "$root"
  exec env -i PATH=/usr/bin HOME=/tmp DOTNET_ROOT=/usr/share/dotnet DOTNET_RUNNING_IN_CONTAINER=true ${GRID_TRY_ENVIRONMENT:-} \
    "$(command -v setpriv)" --no-new-privs "$(command -v chroot)" --userspec=1654:1654 --groups=1654 "$root" \
    dotnet "/app/$assembly" "$@"
' try "$root" "$assembly" "$@"
