#!/usr/bin/env bash
# Try the add-on in Debian 13's Blender (4.3), which installs extensions, on any Debian-like system.
#
#   sudo scripts/build/test_in_trixie.sh [--root FOLDER] [PYTEST OPTION...]
#
# Makes a Debian 13 of its own in FOLDER (default: ~/.cache/photobust/trixie, 3 GB, kept for the next time; remove it
# with rm -rf) and in it: builds the add-on's zip, lets Blender build and validate the extension and install the zip,
# and runs the tests of the package and of the window. Pictures are left in tests/artifacts/trixie. Options for pip,
# such as PIP_INDEX_URL, are taken from the environment.
#
# What it mounts is seen by nobody else and gone when it ends, however that happens.
set -euo pipefail

project=$(cd "$(dirname "$0")/../.." && pwd)
root=${XDG_CACHE_HOME:-$HOME/.cache}/photobust/trixie
# Debian's mirror: as named, else as apt here has it, which may be for another Debian, or an Ubuntu.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E '/debian/?$' | head -n 1 || true)}
if [ "${1:-}" = --root ]; then
    root=$2
    shift 2
fi

fail() {
    echo "$*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "This needs root, for chroot: sudo $0"
for program in debootstrap unshare chroot; do
    command -v $program >/dev/null || fail "There is no $program: apt-get install debootstrap util-linux"
done

[ -n "$mirror" ] || fail "apt names no mirror of Debian here: DEBIAN_MIRROR=URL $0"

if [ -z "${PHOTOBUST_UNSHARED:-}" ]; then
    exec env PHOTOBUST_UNSHARED=1 unshare --mount --propagation private "$0" --root "$root" "$@"
fi

say() {
    printf '\n[%4d s] %s\n' $SECONDS "$*"
}

mkdir -p "$root"
root=$(cd "$root" && pwd)
if [ ! -e "$root/etc/debian_version" ] || [ -d "$root/debootstrap" ]; then
    say "Making a Debian 13 in $root"
    debootstrap --variant=minbase --include=ca-certificates trixie "$root" "$mirror" >"$root.log" 2>&1 ||
        fail "debootstrap failed; its log is $root.log"
fi

artifacts=$project/tests/artifacts/trixie
mkdir -p "$artifacts" "$root/project" "$root/artifacts"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" # MediaPipe counts processors in it
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
ln -sf /proc/self/mounts "$root/etc/mtab" # what Blender's file browser reads
mount --bind "$project" "$root/project"
mount -o remount,bind,ro "$root/project"
mount --bind "$artifacts" "$root/artifacts"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# Networks with a proxy that signs for others: whom this system trusts is trusted there too.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

# Only what a pip, a download and a test may need gets in.
passed=()
while IFS= read -r line; do
    passed+=("$line")
done < <(env | grep -E '^(PIP_(EXTRA_)?INDEX_URL|PIP_CERT|PIP_TRUSTED_HOST|PIP_DEFAULT_TIMEOUT|(https?|no)_proxy)=' || true)

inside() {
    chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 LIBGL_ALWAYS_SOFTWARE=1 "${passed[@]}" "$@"
}

packages=(blender imagemagick libegl1 libgl1 libgl1-mesa-dri libgles2 libglib2.0-0t64 python3-numpy python3-venv
    xdotool xvfb)
if ! inside dpkg-query -W "${packages[@]}" >/dev/null 2>&1; then
    say "Installing Blender and a screen without a monitor"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services
    chmod +x "$root/usr/sbin/policy-rc.d"
    { inside apt-get update && inside apt-get install -y --no-install-recommends "${packages[@]}"; } \
        >>"$root.log" 2>&1 || fail "apt-get failed; its log is $root.log"
    inside apt-get clean
fi

say "Installing the engine and pytest"
[ -x "$root/opt/engine/bin/python" ] || inside python3 -m venv /opt/engine
pip=(inside /opt/engine/bin/python -m pip install --quiet --disable-pip-version-check --root-user-action ignore)
"${pip[@]}" --no-deps --require-hashes -r /project/blender_addon/engine_locks/linux-x64-python3.13.txt ||
    fail "pip failed."
"${pip[@]}" pytest hypothesis || fail "pip failed."

say "$(inside blender --version | head -n 1), $(inside /opt/engine/bin/python --version)"
inside /opt/engine/bin/python /project/scripts/build/addon.py --out /tmp/dist --folder /tmp/addon

# `extension` wants a home with preferences of its own; install-file reads what extensions are there.
extension() {
    say "blender --command extension $*"
    inside HOME=/tmp/home blender --command extension "$@"
}
inside mkdir -p /tmp/home /tmp/built
zip=/tmp/dist/$(basename "$root"/tmp/dist/photobust-*.zip)
extension validate "$zip"
extension build --source-dir /tmp/addon --output-dir /tmp/built
extension install-file --repo user_default --enable "$zip" 2>&1 | tee "$root/tmp/install"
! grep -q Exception "$root/tmp/install" || fail "The add-on could not be switched on (above: why)."
extension list | tee "$root/tmp/list"
grep -q photobust "$root/tmp/list" || fail "Blender does not list the extension that it has installed."

say "Tests in this Blender"
inside sh -c 'cd /project && exec "$@"' sh env PHOTOBUST_ARTIFACTS=/artifacts \
    /opt/engine/bin/python -m pytest -p no:cacheprovider -s \
    tests/blender_addon/test_package.py tests/blender_addon/window "$@"
say "Done; pictures are in $artifacts"
