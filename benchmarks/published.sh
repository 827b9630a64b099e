#!/usr/bin/env bash
# How do the published rows come out, trained on a GPU?
#
#   benchmarks/published.sh [--stage 1|2|3] [--folder FOLDER] [--data FOLDER] [--minutes N] [--at-once N]
#                           [--skip-measurements | --only-measurements]
#                           [--any-device --config FILE]
#
# Trains the six rows of ResNet-14 (stage 1, the default), ResNet-20 (2) or ResNet-56 (3), several runs at
# once: config/published*.yaml with profiles/gpu. Then it writes the table of `anodiff published`, prints
# how long all of it took, and measures what docs/gpu.md has not: steps at batch size 1024, with and
# without recording, and compiled. No part needs the network: CIFAR-10 must be in the data folder.
#
#   --folder    where results/ and scratch/ go; default: the working directory
#   --data      the folder of CIFAR-10; default: data/ in that folder
#   --minutes   stop training after this time; the table then has the rows that are finished, the exit
#               status is 124, and the same command resumes the others
#   --at-once   runs on the GPU at a time; default: those of profiles/gpu, six
#   --skip-measurements, --only-measurements    one part alone; the measurements need no CIFAR-10
#   --any-device    do not ask for a GPU, train --config FILE where Snakemake puts it, and measure nothing
#
# PYTHON names the interpreter, by default python. Exit status: 2 if this machine cannot do it, otherwise
# that of the first part that failed.
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac

refuse() {
    echo "published.sh: $*" >&2
    exit 2
}

stage=1 folder=. data='' minutes='' at_once='' train=yes measure=yes any_device='' config=''
while [ $# -gt 0 ]; do
    case $1 in
        --stage | --folder | --data | --minutes | --at-once | --config)
            [ $# -gt 1 ] || refuse "$1 needs a value"
            case $1 in
                --stage) stage=$2 ;;
                --folder) folder=$2 ;;
                --data) data=$2 ;;
                --minutes) minutes=$2 ;;
                --at-once) at_once=$2 ;;
                --config) config=$2 ;;
            esac
            shift
            ;;
        --skip-measurements) measure='' ;;
        --only-measurements) train='' ;;
        --any-device) any_device=yes measure='' ;;
        *) refuse "unknown option $1; the head of ${BASH_SOURCE[0]} lists them" ;;
    esac
    shift
done

case $stage in
    1) sweep=published ;;
    2) sweep=published-resnet20 ;;
    3) sweep=published-resnet56 ;;
    *) refuse "--stage is 1 (ResNet-14), 2 (ResNet-20) or 3 (ResNet-56), not $stage" ;;
esac
for number in "$minutes" "$at_once"; do
    case $number in *[!0-9]* | 0*) refuse "--minutes and --at-once are whole numbers above 0, not $number" ;; esac
done
[ -n "$train$measure" ] || refuse "nothing to do: --only-measurements leaves out training, and another option measuring"
if [ -n "$any_device" ]; then
    [ -n "$config" ] || refuse "--any-device needs --config FILE, a sweep that this machine can train"
    profile=()
else
    [ -z "$config" ] || refuse "--config is for --any-device; --stage chooses among the published rows"
    config=$root/config/$sweep.yaml
    profile=(--profile "$root/profiles/gpu")
    [ -z "$at_once" ] || profile+=(--resources "gpu_share=$at_once")
    "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null ||
        refuse "$python finds no torch with a GPU here; a CPU can train some rows: snakemake --configfile config/reproduction.yaml"
fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
status=0

# Do one part, and say how long it took; if it fails, the next ones are done all the same.
part() {
    local name=$1 begun=$SECONDS code=0
    shift
    "$@" || code=$?
    [ "$code" -eq 0 ] || echo "published.sh: exit status $code of: $*" >&2
    [ "$status" -ne 0 ] || status=$code
    echo "published.sh: $((SECONDS - begun)) s for $name"
}

if [ -n "$train" ]; then
    PATH=$(dirname "$(command -v "$python")"):$PATH command -v anodiff >/dev/null ||
        refuse "the rules call anodiff, which is not installed here: pip install -e '.[workflow]'"
    config=$(cd "$(dirname "$config")" && pwd)/$(basename "$config")
    results=$("$python" - "$folder" "$config" <<'END'
import sys
from pathlib import Path
from anodiff.errors import AnodiffError
from anodiff.settings.loading import load_config
try:
    settings = load_config(sys.argv[2])
except AnodiffError as error:
    sys.exit(f"published.sh: {error}")
print(Path(sys.argv[1], settings.paths.results, settings.sweep.name))
END
    )
    paths=()
    if [ -n "$data" ]; then
        data=$(cd "$data" 2>/dev/null && pwd) || refuse "--data names no folder"
        paths=(--config "paths={data: '${data//\'/\'\'}'}")
    fi
    limit=()
    # SIGTERM lets the runs write a checkpoint, and Snakemake start no others
    [ -z "$minutes" ] || limit=(timeout --kill-after=60 "${minutes}m")
    cd "$folder"
    part "training and tables" ${limit[@]+"${limit[@]}"} "$python" -m snakemake tables --snakefile "$root/Snakefile" \
        ${profile[@]+"${profile[@]}"} --configfile "$config" ${paths[@]+"${paths[@]}"}
    for times in "$results"/benchmarks/train/*.tsv; do
        [ ! -e "$times" ] || awk -v run="$(basename "$times" .tsv)" 'NR == 2 { printf "%8.0f s to train %s\n", $1, run }' "$times"
    done
    part "the published rows" "$python" -m anodiff published "$results" --output "$results/published.csv" --overwrite
    [ ! -e "$results/published.csv" ] || echo "published.sh: the table: $results/published.csv"
fi

if [ -n "$measure" ]; then
    cd "$root/benchmarks"
    at=$folder/results/measurements
    mkdir -p "$at"
    part "steps" "$python" settings.py --device cuda --json "$at/settings.json" --rounds 3 --steps 50 \
        --cases "resnet14, cifar10, batch 128" "resnet14, cifar10, batch 512" "resnet14, cifar10, batch 1024" \
        --kinds graph "graph, tf32"
    part "steps with recording" "$python" recording.py --device cuda --json "$at/recording.json" --rounds 5 \
        --cases "resnet14, cifar10, batch 1024"
    part "steps beside plain PyTorch" "$python" training.py --device cuda --json "$at/training.json" --rounds 3 \
        --cases "resnet14, cifar10, batch 1024"
    part "compiled steps" "$python" settings.py --device cuda --json "$at/compiled.json" --rounds 3 --steps 50 \
        --cases "resnet14, cifar10, batch 1024" --kinds compiled "graph, compiled"
    echo "published.sh: the measurements: $at"
fi
echo "published.sh: $SECONDS s in all"
exit "$status"
