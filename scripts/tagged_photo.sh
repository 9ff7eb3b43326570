#!/usr/bin/env bash
# The picture of the README, docs/tagged.jpg: train Sister-A on synthetic street photos, export it, tag a real photo.
# About 5 minutes on two idle cores. Usage: scripts/tagged_photo.sh [FOLDER]; steps that are finished are not repeated.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-tagged-photo}
mkdir -p "$folder"
cd "$folder"

[ -f street/labels/neckline_GT.mat ] || sister-keras data street street --photos 400 --seed 0
[ -f final/model.keras ] || sister-keras train street --system sister_a --segmenter selfie \
    --backbone resnet_mini --person-backbone resnet_mini --weights none --size 96 \
    --epochs 24 --batch-size 16 --learning-rate 1e-3 --augment --out final --resume
[ -d saved_models/sister_a/1 ] || sister-keras export final --out saved_models/sister_a
python "$here/tagged_photo.py" saved_models/sister_a "$here/../docs/tagged.jpg"
