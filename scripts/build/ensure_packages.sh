#!/usr/bin/env bash
# Install those of the named Debian packages that are missing; do nothing, quickly, if none is.
#
#   scripts/build/ensure_packages.sh [--optional] PACKAGE...
#
# Where there is no apt-get, or no right to use it, this says what is needed. That is an error only on Debian-like
# systems and without --optional: elsewhere the same libraries have other names and may well be there.
set -euo pipefail

optional=false
if [ "${1:-}" = --optional ]; then
    optional=true
    shift
fi

give_up() {
    echo "$1 Needed: ${missing[*]}" >&2
    $optional && exit 0
    exit 1
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "No apt-get here. If something fails below, install your system's counterparts of: $*" >&2
    exit 0
fi

missing=()
for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "Some Debian packages are missing, and there is no sudo to install them."
    as_root=(sudo)
fi
# Where they come from is apt's configuration, and told as that has it, without passwords.
origins=()
while read -r origin; do
    origin=${origin/\/\/*@/\/\/}
    [[ " ${origins[*]-} " == *" $origin "* ]] || origins+=("$origin")
done < <(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null || true)
echo "Installing Debian packages: ${missing[*]}${origins[*]:+ (from ${origins[*]})}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    give_up "apt-get could not install them (above: why)."
fi
