import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.metrics import accuracy_score, jaccard_score

from keras_sister.data.views import ViewStore
from keras_sister.errors import InputError
from keras_sister.segmentation.masks import MaskFolder
from keras_sister.segmentation.network_folder import load
from keras_sister.training.segmenter import SegmenterSettings, train_segmenter

SETTINGS = SegmenterSettings(width=1 / 16, size=48, epochs=6, batch=4, learning_rate=3e-3)


def train(dataset: Path, out: Path, **more: Any) -> dict[str, Any]:
    photos = sorted((dataset / "images").iterdir())
    return train_segmenter(photos, dataset / "masks", out, more.pop("settings", SETTINGS), **more)


@pytest.fixture(scope="module")
def trained(dataset_folder, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        out = tmp_path_factory.mktemp("segmenters") / "fcn"
        return out, train(dataset_folder, out)


def test_it_learns(trained):
    scores = trained[1]
    assert scores["mean_iou"] > scores["background"]["mean_iou"] + 0.25
    assert scores["pixel_accuracy"] > scores["background"]["pixel_accuracy"] + 0.05
    assert scores["background"]["person_iou"] == 0


def test_it_finds_people_in_photos_by_itself(trained, dataset_folder):
    """Decoded, resized and compared by Pillow and scikit-learn."""
    segmenter = load(trained[0])
    found, truth = [], []
    for photo in sorted((dataset_folder / "images").iterdir())[:20]:
        with Image.open(photo) as image, Image.open(dataset_folder / "masks" / f"{photo.stem}.png") as mask:
            pixels = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR))
            found.append(segmenter(pixels[None]).numpy().ravel() >= 0.5)
            truth.append(np.asarray(mask.resize((48, 48), Image.Resampling.BILINEAR)).ravel() >= 128)
    assert jaccard_score(np.concatenate(truth), np.concatenate(found)) > 0.6


def test_scores_are_those_of_the_saved_segmenter(trained, dataset_folder):
    out, scores = trained
    photos = sorted((dataset_folder / "images").iterdir())
    held_out = [
        photos[row] for row in np.random.default_rng(SETTINGS.seed).permutation(len(photos))[: len(photos) // 5]
    ]
    masks = MaskFolder(dataset_folder / "masks")
    store = ViewStore(SETTINGS.size, masks.fingerprint)
    views = store.open(store.fill(held_out, masks))
    rows = range(len(held_out))
    truth, found = views.masks(rows).ravel() >= 128, load(out)(views.photos(rows)).numpy().ravel() >= 0.5
    assert scores["photos"] == len(held_out)
    for answer, reached in ((found, scores), (np.zeros_like(truth), scores["background"])):
        assert reached["pixel_accuracy"] == pytest.approx(accuracy_score(truth, answer))
        assert reached["person_iou"] == pytest.approx(jaccard_score(truth, answer))
        assert reached["mean_iou"] == pytest.approx(jaccard_score(truth, answer, average="macro"))


def test_interrupted_and_resumed_it_is_the_same_segmenter(trained, dataset_folder, tmp_path):
    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset_folder, tmp_path / "fcn", on_event=stop)
    with pytest.raises(InputError, match="--resume"):
        train(dataset_folder, tmp_path / "fcn")
    epochs = []
    scores = train(
        dataset_folder,
        tmp_path / "fcn",
        resume=True,
        on_event=lambda event: epochs.append(event["epoch"]) if event["event"] == "epoch" else None,
    )
    assert epochs == [3, 4, 5]
    assert scores == trained[1]
    assert load(tmp_path / "fcn").fingerprint == load(trained[0]).fingerprint
    assert not (tmp_path / "fcn" / "checkpoint.npz").exists()


def test_a_finished_one_is_not_trained_again(trained, dataset_folder):
    out, scores = trained
    before = (out / "model.keras").stat().st_mtime_ns
    assert train(dataset_folder, out, resume=True) == scores
    assert (out / "model.keras").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="--resume"):
        train(dataset_folder, out)
    with pytest.raises(InputError, match="other settings"):
        train(dataset_folder, out, resume=True, settings=replace(SETTINGS, epochs=7))


def test_one_of_other_photos_or_masks_is_not_gone_on_with(trained, dataset_folder, tmp_path):
    photos = sorted((dataset_folder / "images").iterdir())
    with pytest.raises(InputError, match="photos"):
        train_segmenter(photos[1:], dataset_folder / "masks", trained[0], SETTINGS, resume=True)
    masks = shutil.copytree(dataset_folder / "masks", tmp_path / "masks")
    with Image.open(masks / "000001.png") as mask:
        ImageOps.invert(mask).save(masks / "000001.png")
    with pytest.raises(InputError, match="masks"):
        train_segmenter(photos, masks, trained[0], SETTINGS, resume=True)


def test_settings_and_folders_that_cannot_be_are_refused(dataset_folder, tmp_path):
    for wrong in ({"epochs": 0}, {"width": 0.0}, {"width": 2.0}, {"learning_rate": 0.0}, {"size": 0}, {"batch": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            SegmenterSettings(**wrong)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not a segmenter"):
        train(dataset_folder, tmp_path)
    with pytest.raises(InputError, match="too few"):
        train_segmenter(
            [dataset_folder / "images" / "000001.jpg"], dataset_folder / "masks", tmp_path / "fcn", SETTINGS
        )
