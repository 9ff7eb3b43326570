#!/usr/bin/env bash
# All systems on synthetic photos: the tables of docs/systems.md. Usage: scripts/street_table.sh [FOLDER]; steps that are
# finished are not repeated.
set -euo pipefail
folder=${1:-street-table}
mkdir -p "$folder"
cd "$folder"

[ -d photos ] || sister-keras data street photos --photos 640 --seed 11
lite0=(--backbone efficientnet-lite0 --person-backbone efficientnet-lite0)
sister-keras reproduce systems photos --segmenter masks:photos/masks --out true-masks "${lite0[@]}" --trainable head
sister-keras reproduce systems photos --segmenter selfie --out selfie "${lite0[@]}" --trainable head
# Towers that learn too, at 96 pixels and in 3 folds: about half an hour on two cores.
sister-keras reproduce systems photos --segmenter masks:photos/masks --out fine-tuned "${lite0[@]}" --learning-rate 1e-3 \
    --warm-up-epochs 2 --tower-rate 0.1 --size 96 --folds 3 --epochs 5 --batch-size 16
