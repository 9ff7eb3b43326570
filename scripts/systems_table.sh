#!/usr/bin/env bash
# All systems on synthetic photos: the tables of docs/systems.md, with the true masks and with those of `selfie`.
# Usage: scripts/systems_table.sh [FOLDER]; what is finished is not repeated.
set -euo pipefail
folder=${1:-systems-table}
mkdir -p "$folder"
cd "$folder"

[ -d photos ] || sister-keras data street photos --photos 640 --seed 11
for masks in masks:photos/masks selfie; do
  sister-keras reproduce systems photos --segmenter "$masks" --out "${masks%%:*}" \
    --backbone efficientnet-lite0 --person-backbone efficientnet-lite0 --trainable head
done
