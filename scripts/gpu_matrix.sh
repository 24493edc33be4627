#!/usr/bin/env bash
# Everything about the engines that wants a graphics card, unattended: environments, models in the published sizes with
# random weights, the cancel matrix of each Chatterbox, and whether the card is idle and its memory flat afterwards.
#   scripts/gpu_matrix.sh FOLDER [--dry-run]     results go to FOLDER; --dry-run: tiny models, CPU, two cancels a stage
# Without --dry-run it needs an NVIDIA card with nvidia-smi, some 25 GB of disk, and a network for the packages.
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
out=${1:?"where shall the results go?"} dry=${2-}
engines=(chatterbox chatterbox-turbo chatterbox-multilingual)
device=cuda times=200 size=(--full-size)
if [ "$dry" = --dry-run ]; then device=cpu times=2 size=(); else
    command -v nvidia-smi >/dev/null || { echo "her-os: there is no nvidia-smi here; try --dry-run" >&2; exit 1; }
fi
mkdir -p "$out"
python=$("$root/scripts/engine_environment.sh" chatterbox "${HER_OS_ENGINE_FOLDER:-$root/.cache/engines/chatterbox}")
python=${python#python: }

# Utilisation in percent and memory in MB, by the driver; nothing in a dry run.
card() { [ "$device" = cpu ] || nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits; }

for engine in "${engines[@]}"; do
    model=$out/models/$engine
    [ -f "$model/conds.pt" ] ||
        "$python" "$root/scripts/make_tiny_chatterbox.py" "$model" --engine "$engine" ${size[@]+"${size[@]}"}
    for how in streaming sentence; do
        more=()
        [ "$how" = streaming ] || more=(--sentence)
        echo "== $engine, $how; card before: $(card)"
        "$python" "$root/scripts/bench_cancel_matrix.py" "$model" --engine "$engine" --device "$device" \
            --times "$times" --json "$out/$engine-$how.json" ${more[@]+"${more[@]}"} | tee "$out/$engine-$how.md"
        echo "== card after: $(card)"
    done
done
