#!/usr/bin/env bash
# Puts a real Asterisk into a Debian root of its own, for the tests. Used by `./start.sh test --asterisk`.
#
#   scripts/install_asterisk.sh [--where]      --where: print the folder and do nothing
#
# Debian 12 has no Asterisk, so it comes from `sid` by debootstrap, out of the package mirror that this machine uses.
# Needs root and debootstrap; 550 MB in ${HER_OS_CACHE_DIR:-~/.cache/her-os}/asterisk. Nothing of the system is
# changed; deleting the folder undoes it. Running it again does nothing.
set -euo pipefail

root=${HER_OS_CACHE_DIR:-$HOME/.cache/her-os}/asterisk
say() { printf 'her-os: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

case ${1-} in
    '') ;;
    --where) echo "$root"; exit 0 ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
esac
if [ -e "$root/.complete" ]; then exit 0; fi
[ "$(id -u)" = 0 ] || fail "Asterisk for the tests is installed as root (it runs in a chroot)"

# The first mirror of the machine that has Debian's development release.
mirrors() {
    grep -hsE '^URIs:' /etc/apt/sources.list.d/*.sources | tr ' ' '\n' | grep -E '^https?:.*/debian/?$' || true
    grep -hsoE '^deb .*' /etc/apt/sources.list /etc/apt/sources.list.d/*.list | grep -oE 'https?://[^ ]+/debian/?' || true
    echo http://deb.debian.org/debian
}
mirror=$(mirrors | sed -n 1p)
say "installing Asterisk from Debian sid into $root (550 MB, some minutes)"
rm -rf -- "$root.part"
mkdir -p -- "$(dirname -- "$root")"
if ! debootstrap --variant=minbase --include=asterisk,asterisk-core-sounds-en-g722 sid "$root.part" "$mirror" \
    >"$root.log" 2>&1; then
    tail -n 5 "$root.log" >&2
    fail "debootstrap failed; the whole log: $root.log"
fi
rm -rf -- "$root.part/var/cache/apt/archives" "$root"
mv -- "$root.part" "$root"
touch "$root/.complete"
say "installed: $(chroot "$root" asterisk -V)"
