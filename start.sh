#!/usr/bin/env bash
# Runs her-os from this folder. The first run installs what is missing; a later one starts in seconds.
#
#   ./start.sh [OPTIONS] [-- ARGUMENTS]        run the whole assistant in the foreground; Ctrl-C stops it
#   ./start.sh test [TIER] [OPTIONS] [-- ARGUMENTS]   run the tests; ARGUMENTS go to pytest
#
# Options
#   --barge-in              speaking interrupts the assistant (ENABLE_BARGE_IN=1 for this run)
#   --config FILE           use this configuration file instead of config/her-os.yaml
#   --build-llama-server    first build the real llama-server into a cache (once, 4 to 15 minutes)
#   --preflight             install what is missing, then go through the gates of `her-os preflight` instead of
#                           running (ARGUMENTS go to it, such as --all, --quick, --json); its exit status is theirs
#   --check                 say what is missing and change nothing; exit status 1 if something is
#   -h, --help              this text
#
# Tiers of `test` (without one: everything that needs neither of these)
#   --llama-server          the tests against the real llama-server binary, built first if it is not there
#   --system                the tests that boot a real systemd in a sandbox; they need root
#   --engines               the tests that need an engine environment of their own
#   --asterisk              calls with a real Asterisk, installed first into a cache (550 MB); they need root
#   --soak                  the long forms of tests that hunt for rare mistakes
#
# What it does to the system, and says before it does it:
#   - installs missing Debian packages with apt-get, as root or through sudo
#       to run:   python3, python3-venv, libgomp1 (language model), libflite1 (the assistant's voice),
#                 libportaudio2 (microphone and loudspeaker of the room)
#       to test:  baresip-core and sip-tester (telephones that call us), ffmpeg and
#                 asterisk-core-sounds-en-wav (sound files of every kind, and human speech with its text)
#       to test a real systemd: systemd, iproute2 (only with test --system)
#       to test with Asterisk: debootstrap (only with test --asterisk)
#       to build: cmake, ninja-build, g++ (only with --build-llama-server or --llama-server)
#   - makes .venv in this folder and installs the Python packages of requirements.lock and requirements-carried.lock
#     there, each checked against its hash; pip's own configuration and environment say from where
#   - writes random development secrets to ~/.her-os/secrets.env (kept if they are there)
# Nothing else outside this folder is touched. HER_OS_PYTHON=... names another Python 3.11.
set -euo pipefail

caller_dir=$PWD
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
venv=$root/.venv
log=$root/.cache/install.log

RUN_PACKAGES=(libgomp1)
WANTED_PACKAGES=(libflite1 libportaudio2)   # without them: a worse voice, no microphone in the room
TEST_PACKAGES=(baresip-core sip-tester ffmpeg asterisk-core-sounds-en asterisk-core-sounds-en-wav)
ASTERISK_TEST_PACKAGES=(debootstrap)   # Asterisk itself goes into a root of its own
SYSTEM_TEST_PACKAGES=(systemd iproute2)   # booted in a sandbox; the machine's own init is left alone

action=run lock=requirements.lock tier='' barge_in=no build=no check=no
arguments=()

say() { printf 'her-os: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

read_options() {
    if [ "${1-}" = test ]; then action="test" lock=requirements-dev.lock; shift; fi
    while [ $# -gt 0 ]; do
        case $1 in
            --barge-in) barge_in=yes ;;
            --config) use_config "${2:?--config needs a file}"; shift ;;
            --config=*) use_config "${1#*=}" ;;
            --build-llama-server) build=yes ;;
            --preflight) action=preflight ;;
            --check) check=yes ;;
            --llama-server | --system | --engines | --soak | --asterisk)
                [ "$action" = test ] || fail "$1 is a tier of the tests: ./start.sh test $1"
                tier=${1#--} ;;
            -h | --help) usage; exit 0 ;;
            --) shift; arguments=("$@"); return ;;
            *) fail "unknown argument '$1'; see ./start.sh --help" ;;
        esac
        shift
    done
}

use_config() {
    case $1 in /*) HER_OS_CONFIG=$1 ;; *) HER_OS_CONFIG=$caller_dir/$1 ;; esac
    [ -f "$HER_OS_CONFIG" ] || fail "there is no configuration file $HER_OS_CONFIG"
    export HER_OS_CONFIG
}

# --- what is missing -------------------------------------------------------------------------------------------

is_python_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in "${HER_OS_PYTHON:-python3.11}" python3 /usr/bin/python3.11; do
        if is_python_311 "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

# A Debian Python comes without ensurepip until python3-venv is there.
python_packages() {
    local python
    if ! python=$(find_python); then
        echo python3 python3-venv
    elif [ ! -x "$venv/bin/python" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo python3-venv
    fi
}

not_installed() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

wants_llama_server() { [ "$build" = yes ] || [ "$tier" = llama-server ]; }

required_packages() {
    python_packages
    not_installed "${RUN_PACKAGES[@]}"
    if [ "$action" = test ]; then not_installed "${TEST_PACKAGES[@]}"; fi
    if [ "$tier" = asterisk ]; then not_installed "${ASTERISK_TEST_PACKAGES[@]}"; fi
    if [ "$tier" = system ]; then not_installed "${SYSTEM_TEST_PACKAGES[@]}"; fi
    if wants_llama_server; then "$root/scripts/build_llama_server.sh" --check || true; fi
}

# What the environment was made from; a change of any of it means installing again.
lock_hash() { (cd "$root" && cat "$1" requirements-carried.lock pyproject.toml && echo "$root") | sha256sum | cut -d' ' -f1; }
note_installed() { lock_hash "$1" >"$venv/.installed-$1"; }

python_is_installed() {
    [ "$(cat "$venv/.installed-$lock" 2>/dev/null)" = "$(lock_hash "$lock")" ] && is_python_311 "$venv/bin/python"
}

secrets_file() { echo "${HER_OS_SECRETS_FILE:-$HOME/.her-os/secrets.env}"; }

secrets_are_written() {
    local name
    while read -r name; do
        grep -qE "^$name=.{16,}" "$(secrets_file)" 2>/dev/null || return 1
    done < <(grep -oE '^[A-Z_]+' "$root/config/her-os-secrets.env.example")
}

# One line for each thing that has to be done, and nothing when all is there.
missing() {
    local packages
    packages=$( (required_packages; not_installed "${WANTED_PACKAGES[@]}") | xargs)
    [ -z "$packages" ] || echo "install Debian packages with apt-get: $packages"
    python_is_installed ||
        echo "install $(grep -c '==' "$root/$lock") Python packages (hashes checked) into $venv"
    secrets_are_written || echo "write development secrets to $(secrets_file)"
    ! wants_llama_server || [ -x "$("$root/scripts/build_llama_server.sh" --where)" ] ||
        echo "build llama-server into $("$root/scripts/build_llama_server.sh" --where)"
}

# --- installing ------------------------------------------------------------------------------------------------

become_root=()
can_become_root() {
    if [ "$(id -u)" -eq 0 ]; then become_root=(); return; fi
    command -v sudo >/dev/null || return 1
    if [ -t 0 ]; then become_root=(sudo); else become_root=(sudo -n); fi
    sudo -n true 2>/dev/null || [ -t 0 ]
}

apt_install() {
    local apt=(${become_root[@]+"${become_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -y -qq)
    local install=("${apt[@]}" install --no-install-recommends "$@")
    "${install[@]}" >>"$log" 2>&1 </dev/null && return
    "${apt[@]}" update >>"$log" 2>&1 </dev/null && "${install[@]}" >>"$log" 2>&1 </dev/null
}

install_system_packages() {
    local required wanted
    read -r -a required <<<"$(required_packages | xargs)"
    read -r -a wanted <<<"$(not_installed "${WANTED_PACKAGES[@]}")"
    [ $((${#required[@]} + ${#wanted[@]})) -gt 0 ] || return 0
    local all=("${required[@]}" "${wanted[@]}")
    if ! command -v apt-get >/dev/null; then
        say "this is not Debian; install by hand what these packages hold: ${all[*]}"
    elif ! can_become_root; then
        say "this needs root or sudo; ask your administrator for: apt-get install ${all[*]}"
    elif apt_install "${all[@]}"; then
        return
    else
        grep -v Retrying "$log" | tail -n 8 >&2
        say "apt-get failed (above; whole log: $log); is the network there? Try again, it goes on where it stopped"
    fi
    [ ${#required[@]} -eq 0 ] || exit 1
    say "going on without ${wanted[*]}: without libflite1 the assistant speaks with espeak-ng, without libportaudio2"
    say "it has no microphone in the room"
}

# Keeps an environment that works, mends one that was interrupted, makes one where there is none.
make_venv() {
    if [ "$(cat "$venv/.made-in" 2>/dev/null || echo "$root")" = "$root" ] && is_python_311 "$venv/bin/python"; then
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
        "$venv/bin/python" -m ensurepip >>"$log" 2>&1 && return
    fi
    local python
    python=$(find_python) || fail "her-os needs Python 3.11 (Debian 12 has it); HER_OS_PYTHON=/path/to/python3.11 names one"
    rm -rf "$venv"
    "$python" -m venv "$venv" >>"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "could not make $venv"; }
    echo "$root" >"$venv/.made-in"
}

pip_install() { PIP_USER=0 "$venv/bin/python" -m pip --disable-pip-version-check --no-input install "$@" >>"$log" 2>&1; }

install_python_packages() {
    python_is_installed && return
    make_venv
    rm -f "$venv"/.installed-*
    if ! pip_install --require-hashes -r "$root/$lock" ||
        ! pip_install --require-hashes --no-deps -r "$root/requirements-carried.lock" ||
        ! pip_install --no-deps --no-build-isolation --no-index -e "$root"; then
        grep -v Retrying "$log" | tail -n 8 >&2
        say "pip failed (above; whole log: $log)"
        fail "is the package index reachable (pip config list)? Try again, it goes on where it stopped"
    fi
    note_installed requirements.lock   # the development lock holds all of it, too
    note_installed "$lock"
}

install_all() {
    local todo
    todo=$(missing)
    [ -n "$todo" ] || return 0
    say "first this has to be done (./start.sh --help says more; it can take some minutes):"
    while read -r line; do say "  - $line"; done <<<"$todo"
    mkdir -p "$root/.cache"
    exec 9>"$root/.cache/install.lock"
    flock 9   # a second ./start.sh waits here and then finds everything done
    : >"$log"
    install_system_packages
    install_python_packages
    "$root/config/dev-setup.sh" "$(secrets_file)" | while read -r line; do say "$line"; done
    exec 9>&-
}

# --- what was asked for ----------------------------------------------------------------------------------------

report_missing() {
    local todo
    todo=$(missing)
    if [ -z "$todo" ]; then say "everything is there"; exit 0; fi
    say "missing; without --check this would:"
    while read -r line; do say "  - $line"; done <<<"$todo"
    exit 1
}

build_llama_server() { HER_OS_PYTHON=$venv/bin/python "$root/scripts/build_llama_server.sh"; }

run_tests() {
    # A file's tests stay together, for they share daemons.
    local how=(-n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder) status=0
    [ -z "$tier" ] || how=(-m "${tier//-/_}")
    "$venv/bin/python" -m pytest "${how[@]}" ${arguments[@]+"${arguments[@]}"} || status=$?
    [ "$status" -ne 5 ] || say "no test was selected${tier:+ (the tier --$tier has none)}"
    exit "$status"
}

run_assistant() {
    if [ "$barge_in" = yes ]; then
        export ENABLE_BARGE_IN=1
        say "barge-in is on for this run; flags are read once at start, so changing one needs a restart"
    fi
    exec "$venv/bin/her-os" run ${arguments[@]+"${arguments[@]}"}
}

main() {
    read_options "$@"
    [ "$check" = no ] || report_missing
    install_all
    cd "$root"
    ! wants_llama_server || build_llama_server
    [ "$tier" != asterisk ] || "$root/scripts/install_asterisk.sh"
    case $action in
        test) run_tests ;;
        preflight) exec "$venv/bin/her-os" preflight ${arguments[@]+"${arguments[@]}"} ;;
        *) run_assistant ;;
    esac
}

main "$@"
