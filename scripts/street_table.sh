#!/usr/bin/env bash
# All systems on synthetic photos: the table of docs/systems.md. The segmenter is trained on other photos than the systems.
# Usage: scripts/street_table.sh [FOLDER]; steps that are finished are not repeated.
set -euo pipefail
folder=${1:-street-table}
mkdir -p "$folder"
cd "$folder"

[ -d photos ] || sister-keras data street photos --photos 400 --seed 0
[ -d others ] || sister-keras data street others --photos 400 --seed 1
[ -f fcn/segmenter.json ] || sister-keras segment train others --out fcn --size 96 --epochs 8 --resume
sister-keras reproduce systems photos --segmenter fcn --out . \
    --backbone resnet_mini --person-backbone resnet_mini --weights none --size 72 \
    --folds 8 --epochs 16 --batch-size 16 --learning-rate 1e-3 --augment
