#!/usr/bin/env bash
# Builds the real llama-server once, from source, into a cache. Used by `./start.sh --build-llama-server`.
#
#   scripts/build_llama_server.sh [--check | --where] [--force] [--jobs N] [--cuda auto|on|off]
#
#   --check   say which Debian packages are missing (one line, for apt-get install) and build nothing; status 3 if any
#   --where   print the path where the binary is, or will be
#   --force   build again although the binary is there
#   --jobs N  compilers at once (default: all cores but one)
#   --cuda    auto (default): with CUDA where nvcc and a GPU are both there
#
# The source is the llama-cpp-python sdist, which carries llama.cpp with its server: package registries are
# enough. An interrupted build goes on where it stopped. Takes 4 to 15 minutes, 1 GB of disk while it builds.
set -euo pipefail

VERSION=0.3.36
SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
PACKAGES=(cmake ninja-build g++)
COMMANDS=(cmake ninja g++)

cache=${HER_OS_CACHE_DIR:-$HOME/.cache/her-os}
home=$cache/llama-server/$VERSION
binary=$home/llama-server
work=$home/build
python=${HER_OS_PYTHON:-python3}
jobs=$(($(nproc) > 1 ? $(nproc) - 1 : 1))
force=no cuda=auto action=build

say() { printf 'llama-server: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

while [ $# -gt 0 ]; do
    case $1 in
        --check) action=check ;;
        --where) action=where ;;
        --force) force=yes ;;
        --jobs) jobs=${2:?--jobs needs a number}; shift ;;
        --cuda) cuda=${2:?--cuda needs auto, on or off}; shift ;;
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        *) fail "unknown option $1 (see --help)" ;;
    esac
    shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs is '$jobs'; expected a number from 1"

missing_packages() {
    for i in "${!COMMANDS[@]}"; do
        command -v "${COMMANDS[$i]}" >/dev/null || printf '%s ' "${PACKAGES[$i]}"
    done
}

# Whether to build for CUDA: nvcc alone is not enough, a machine without a GPU would gain nothing.
with_cuda() {
    case $cuda in
        on) command -v nvcc >/dev/null || fail "--cuda on, but nvcc is not on PATH; install the CUDA toolkit" ;;
        off) return 1 ;;
        auto) command -v nvcc >/dev/null && nvidia-smi -L 2>/dev/null | grep -q '^GPU' ;;
        *) fail "--cuda is '$cuda'; expected auto, on or off" ;;
    esac
}

# pip is not in every environment (uv makes them without): fall back to a throw-away one.
pip_python() {
    if "$python" -m pip --version >/dev/null 2>&1; then
        echo "$python"
    else
        "$python" -m venv "$work/pip" >&2 || fail "$python has neither pip nor venv; install python3-pip"
        echo "$work/pip/bin/python"
    fi
}

fetch() {
    local archive=$work/llama_cpp_python-$VERSION.tar.gz
    if ! echo "$SHA256  $archive" | sha256sum --check --status 2>/dev/null; then
        say "fetching the source (77 MB)"
        local pip
        pip=$(pip_python)
        "$pip" -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$work" \
            "llama-cpp-python==$VERSION" || fail "the source could not be fetched; is the package index reachable?"
        echo "$SHA256  $archive" | sha256sum --check --status ||
            fail "the source's checksum is not the expected one; refusing to build it (delete $archive and try again)"
    fi
    if [ ! -f "$work/source.complete" ]; then
        rm -rf "$work/source" && mkdir "$work/source"
        tar -xzf "$archive" -C "$work/source" --strip-components=1
        touch "$work/source.complete"
    fi
}

compile() {
    local options=(-DGGML_CUDA=OFF) kind=CPU
    if with_cuda; then
        options=(-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native)
        kind=CUDA
    fi
    say "building for $kind with $jobs compiler(s), at low priority; this takes minutes"
    nice -n 15 cmake -S "$work/source/vendor/llama.cpp" -B "$work/out" -G Ninja \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DGGML_CCACHE=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_TOOLS=ON \
        -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
        "${options[@]}" >"$work/configure.log" 2>&1 ||
        { tail -n 20 "$work/configure.log" >&2; fail "cmake refused; the whole log is $work/configure.log"; }
    NINJA_STATUS='llama-server: [%f/%t, %es] ' nice -n 15 cmake --build "$work/out" --target llama-server -j "$jobs" ||
        fail "the build failed (see above); run it again to go on, or with --force to begin afresh"
    echo "$VERSION $kind" >"$work/built"
}

build() {
    local missing
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "these packages are needed first: apt-get install ${missing% }"
    mkdir -p "$work"
    exec 9>"$home/lock"
    flock --nonblock 9 || { say "another build is running; waiting for it"; flock 9; }
    if [ -x "$binary" ] && [ "$force" = no ]; then
        say "already built: $binary"
        rm -rf "$work"
        return
    fi
    [ "$force" = no ] || rm -rf "$work"
    mkdir -p "$work"
    fetch
    compile
    strip -o "$home/llama-server.new" "$work/out/bin/llama-server"
    "$home/llama-server.new" --version >/dev/null 2>&1 || fail "the new binary does not run; its build is in $work"
    mv "$home/llama-server.new" "$binary"
    mv "$work/built" "$home/built"
    rm -rf "$work"
    say "done: $binary"
}

case $action in
    where) echo "$binary" ;;
    check)
        missing=$(missing_packages)
        [ -z "$missing" ] || { echo "${missing% }"; exit 3; }
        ;;
    build) build ;;
esac
