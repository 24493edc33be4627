#!/usr/bin/env bash
# Gives an optional recogniser an environment of its own, beside the one of her-os, from a lock with hashes.
#   scripts/engine_environment.sh NAME [FOLDER]     NAME: a file of scripts/engine_locks, such as faster-whisper
# FOLDER is ${HER_OS_CACHE_DIR:-~/.cache/her-os}/engines/NAME where it is not given. Running it again does nothing, or
# brings the environment up to date. HER_OS_BASE_PYTHON names her-os's own interpreter where it is not .venv's.
#
# The engine's packages come first, then those of her-os: no engine can change what the calls run on. On a machine with
# a graphics card put the CUDA build of CTranslate2 or onnxruntime in afterwards with FOLDER/bin/python -m pip. torch
# (chatterbox, nemotron) is the build without CUDA where there is no card and pip finds that build, at an index or in a
# folder of wheels that its configuration names; else the package index's own, with the packages which that one pins.
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
fail() { printf 'her-os: %s\n' "$*" >&2; exit 1; }
engines() { (cd "$root/scripts/engine_locks" && printf '%s ' *.lock | sed 's/\.lock//g'); }

name=${1:?"which engine? One of: $(engines)"}
lock=$root/scripts/engine_locks/$name.lock
[ -f "$lock" ] || fail "there is no engine '$name'; there are: $(engines)"
folder=${2:-${HER_OS_CACHE_DIR:-$HOME/.cache/her-os}/engines/$name}
base=${HER_OS_BASE_PYTHON:-$root/.venv/bin/python}
[ -x "$base" ] || fail "$base is not there; run ./start.sh first"

packages=$("$base" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mark=$( (cat "$lock"; echo "$packages") | sha256sum | cut -d' ' -f1)
if [ "$(cat "$folder/.installed" 2>/dev/null)" != "$mark" ]; then
    printf 'her-os: installing %s packages for %s into %s\n' "$(grep -c '==' "$lock")" "$name" "$folder" >&2
    mkdir -p "$(dirname -- "$folder")"
    "$base" -m venv --clear "$folder"
    pip=("$folder/bin/python" -m pip --disable-pip-version-check --no-input -q install)
    alone=()
    if grep -q '^# no-deps' "$lock"; then alone=(--no-deps); fi
    torch=$(sed -n 's/^# without a card: //p' "$lock")
    if [ -n "$torch" ] && ! command -v nvidia-smi >/dev/null; then
        "${pip[@]}" --no-deps --require-hashes -r <(echo "$torch") >&2 ||
            printf 'her-os: that build of torch is nowhere; taking the one with CUDA, some 3 GB more\n' >&2
    fi
    "${pip[@]}" --require-hashes ${alone[@]+"${alone[@]}"} -r "$lock" >&2
    torch=$("$folder/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
    case $torch in '' | *+cpu) ;; *) "${pip[@]}" "torch==$torch" >&2 ;; esac
    # Through site: our own package may be installed there by a .pth file, which plain sys.path would not read.
    printf 'import site; site.addsitedir(%s)\n' "'$packages'" \
        >"$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz-her-os.pth"
    echo "$mark" >"$folder/.installed"
fi
echo "python: $folder/bin/python"
