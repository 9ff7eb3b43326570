#!/usr/bin/env bash
# The complete workflow on synthetic photos, in the folder $1: `make demo`. A second call resumes an interrupted demo.
set -euo pipefail
demo=$1
mkdir -p "$demo"
export KERAS_SISTER_CACHE="$demo/cache"

step() { printf '\n== %s\n' "$1"; shift; printf '$ %s\n\n' "$*"; "$@"; }

network=(--backbone resnet_mini --person-backbone resnet_mini --weights none --size 72)
training=(--epochs 16 --batch-size 16 --learning-rate 1e-3 --augment)

step "Make synthetic street photos, with unknown labels at the rates of DCSA" \
  sister-keras data street "$demo/street" --photos 400 --seed 0
step "Check the dataset" \
  sister-keras data check "$demo/street"
step "Train a small FCN-8s as person segmenter" \
  sister-keras segment train "$demo/street" --size 96 --epochs 8 --out "$demo/fcn" --resume
for system in baseline sister_a; do
  step "Cross-validate $system" \
    sister-keras cv "$demo/street" --system "$system" --segmenter "$demo/fcn" "${network[@]}" "${training[@]}" \
    --folds 4 --out "$demo/runs/$system" --resume
done
step "Compare the two systems, with intervals for the difference" \
  sister-keras compare "$demo/runs/baseline" "$demo/runs/sister_a"
step "Write a page of both runs" \
  sister-keras report "$demo/runs/baseline" "$demo/runs/sister_a" --out "$demo/report.html"
step "Train Sister-A on all photos" \
  sister-keras train "$demo/street" --like "$demo/runs/sister_a" --out "$demo/runs/final" --resume
step "Export the model for TensorFlow Serving, including the segmenter" \
  sister-keras export "$demo/runs/final" --out "$demo/saved_models/sister_a"
step "Make a new photo" \
  sister-keras data street "$demo/new" --photos 1 --seed 1
step "Tag it" \
  sister-keras tag "$demo/saved_models/sister_a" "$demo/new/images/000001.jpg"

cat <<END

== Files of the demo
$demo/street                    photos, labels, masks
$demo/fcn                       the segmenter
$demo/runs/baseline, sister_a   settings, folds, weights, predictions, summary.json
$demo/runs/final                the model trained on all photos, model.keras
$demo/saved_models/sister_a     the SavedModel

Open $demo/report.html: how good both systems are, where they err, what they saw.
END
