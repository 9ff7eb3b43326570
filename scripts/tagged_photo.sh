#!/usr/bin/env bash
# The picture of the README, docs/tagged.jpg: train the head of Sister-A on synthetic street photos, export, tag a real photo.
# About 2 minutes on two cores. Usage: scripts/tagged_photo.sh [FOLDER]; steps that are finished are not repeated.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-tagged-photo}
mkdir -p "$folder"
cd "$folder"

[ -f street/labels/neckline_GT.mat ] || sister-keras data street street --photos 400 --seed 0
[ -f final/model.keras ] || sister-keras train street --system sister_a --segmenter selfie \
    --backbone efficientnet-lite0 --person-backbone efficientnet-lite0 --trainable head --augment --out final --resume
[ -d saved_models/sister_a/1 ] || sister-keras export final --out saved_models/sister_a
python "$here/tagged_photo.py" saved_models/sister_a "$here/../docs/tagged.jpg"
