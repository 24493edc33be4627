#!/usr/bin/env bash
# Installs her-os on a fresh Debian 12 from this folder; running it again upgrades. Arguments go to `her-os install`.
#   scripts/install.sh            as root
#   scripts/install.sh --dry-run  says what `her-os install` would do (the Python packages are fetched for that)
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
fail() { printf 'her-os: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || fail "run this as root"
command -v systemctl >/dev/null || fail "this machine has no systemd; ./start.sh runs her-os without it"

packages=(python3 python3-venv libgomp1 libflite1 libportaudio2)
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing Debian packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update && apt-get -y -qq install --no-install-recommends "${missing[@]}" >/dev/null
fi

# A throw-away environment fetches the packages, each checked against its hash; `her-os install` copies from it.
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
echo "fetching the Python packages of requirements.lock"
/usr/bin/python3 -m venv "$build/venv"
pip=("$build/venv/bin/python" -m pip --disable-pip-version-check --no-input -q install)
"${pip[@]}" --require-hashes -r "$root/requirements.lock"
"${pip[@]}" --require-hashes --no-deps -r "$root/requirements-carried.lock"
"${pip[@]}" --no-deps --no-build-isolation --no-index -e "$root"
"$build/venv/bin/python" -m her_os.cli install "$@"
