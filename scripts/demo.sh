#!/usr/bin/env bash
# Two complete workflows on synthetic photos, in the folder $1: `make demo`. A second call resumes an interrupted demo.
# The first is that of the paper, on a dataset in DCSA's layout; the second begins with a spreadsheet of one's own.
set -euo pipefail
demo=$1
mkdir -p "$demo"
export KERAS_SISTER_CACHE="$demo/cache"

step() { printf '\n== %s\n' "$1"; shift; printf '$ %s\n\n' "$*"; "$@"; }

# EfficientNet-Lite0 with ImageNet weights, kept as they are: all folds share one pass of the photos through the towers.
network=(--backbone efficientnet-lite0 --person-backbone efficientnet-lite0 --trainable head)

printf '\n==== A dataset in the layout of DCSA\n'
step "Make synthetic street photos, with unknown labels at the rates of DCSA" \
  sister-keras data street "$demo/street" --photos 320 --seed 0
step "Check the dataset" \
  sister-keras data check "$demo/street"
step "Cross-validate the baseline and Sister-A, 16 folds, and compare them, with intervals for the difference" \
  sister-keras cv "$demo/street" --systems baseline,sister_a "${network[@]}" --out "$demo/runs" --resume
step "Train Sister-A on all photos" \
  sister-keras train "$demo/street" --like "$demo/runs/sister_a" --out "$demo/runs/final" --resume
step "Export the model for TensorFlow Serving, including the segmenter" \
  sister-keras export "$demo/runs/final" --out "$demo/saved_models/sister_a"
step "Make a new photo" \
  sister-keras data street "$demo/new" --photos 1 --seed 1
step "Tag it" \
  sister-keras tag "$demo/saved_models/sister_a" "$demo/new/images/000001.jpg"

printf '\n==== A spreadsheet of your own\n'
shop=$demo/shop
step "Make the photos and the spreadsheet of a shop, with several photos of a product, blanks and typos" \
  sister-keras data street "$shop" --photos 160 --as table
[ -f "$shop/dataset.yaml" ] || step "Propose a dataset file: which columns are classes, and which cells are typos?" \
  sister-keras data init "$shop/products.csv" --out "$shop/dataset.yaml"
step "Check it, and write a page with the photos of each problem" \
  sister-keras data check "$shop/dataset.yaml" --report "$demo/check.html"
step "Cross-validate: all photos of a product stay together" \
  sister-keras cv "$shop/dataset.yaml" --system baseline "${network[@]}" --folds 4 --out "$demo/runs/shop" --resume
step "Train on all photos" \
  sister-keras train "$shop/dataset.yaml" --like "$demo/runs/shop" --out "$demo/runs/shop-final" --resume
step "Export the model" \
  sister-keras export "$demo/runs/shop-final" --out "$demo/saved_models/shop"
step "Tag every product of the spreadsheet" \
  sister-keras tag "$demo/saved_models/shop" "$shop/products.csv:Image" --group-by product_id \
  --out "$demo/shop-tags.csv" --update

cat <<END

== Files of the demo
$demo/street                    photos, labels, masks
$demo/runs/baseline, sister_a   settings, folds, weights, predictions, summary.json
$demo/runs/final                the model trained on all photos, model.keras
$demo/saved_models/sister_a     the SavedModel
$demo/shop                      the spreadsheet and its photos; dataset.yaml says what its columns mean
$demo/shop-tags.csv             the tags of every product

Open $demo/runs/report.html: how good both systems are, where they err, what they saw.
Open $demo/check.html: what is wrong with the spreadsheet and its photos.
END
