#!/usr/bin/env bash
# The whole story on drawn photos, in the folder $1: `make demo`. Called again, it goes on where it stopped.
set -euo pipefail
demo=$1
mkdir -p "$demo"
export KERAS_SISTER_CACHE="$demo/cache"

step() { printf '\n== %s\n' "$1"; shift; printf '$ %s\n\n' "$*"; "$@"; }

network=(--backbone resnet_mini --person-backbone resnet_mini --weights none --size 72)
training=(--epochs 16 --batch-size 16 --learning-rate 1e-3 --augment)

step "Draw people on streets, with labels as incomplete as DCSA's" \
  sister-keras data street "$demo/street" --photos 400 --seed 0
step "Look the dataset over" \
  sister-keras data check "$demo/street"
step "Train a small FCN-8s to find the person" \
  sister-keras segment train "$demo/street" --size 96 --epochs 8 --out "$demo/fcn" --resume
for system in baseline sister_a; do
  step "Cross-validate $system" \
    sister-keras cv "$demo/street" --system "$system" --segmenter "$demo/fcn" "${network[@]}" "${training[@]}" \
    --folds 4 --out "$demo/runs/$system" --resume
done
step "Which is better, and is the difference real?" \
  sister-keras compare "$demo/runs/baseline" "$demo/runs/sister_a"
step "Train Sister-A on all photos" \
  sister-keras train "$demo/street" --like "$demo/runs/sister_a" --out "$demo/runs/final" --resume
step "Export it for TensorFlow Serving, the FCN inside" \
  sister-keras export "$demo/runs/final" --out "$demo/saved_models/sister_a"
step "Draw a photo that it has not seen" \
  sister-keras data street "$demo/new" --photos 1 --seed 1
step "Tag it" \
  sister-keras tag "$demo/saved_models/sister_a" "$demo/new/images/000001.jpg"

cat <<END

== Where everything lies
$demo/street                    photos, labels, masks
$demo/fcn                       the segmenter
$demo/runs/baseline, sister_a   settings, folds, weights, predictions, summary.json
$demo/runs/final                the model of all photos, model.keras
$demo/saved_models/sister_a     the SavedModel
END
