import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.metrics import accuracy_score, jaccard_score

from keras_sister.data.segmentation.dataset import SegmentationDataset
from keras_sister.errors import InputError
from keras_sister.segmentation.segmenters.network import load_segmenter
from keras_sister.training.segmenters.datasets import open_segmentation_dataset
from keras_sister.training.segmenters.score import score_segmenter
from keras_sister.training.segmenters.settings import SegmenterSettings
from keras_sister.training.segmenters.train import train_segmenter
from tests.pixel_data import write_cfpd, write_voc

SETTINGS = SegmenterSettings(width=1 / 16, size=48, epochs=4, batch_size=4, learning_rate=3e-3)


def train(dataset: Path, out: Path, **more: Any) -> dict[str, Any]:
    settings = more.pop("settings", SETTINGS)
    return train_segmenter(open_segmentation_dataset(dataset, seed=settings.seed), out, settings, **more)


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
    segmenter = load_segmenter(trained[0])
    found, truth = [], []
    for photo in sorted((dataset_folder / "images").iterdir())[:20]:
        with Image.open(photo) as image, Image.open(dataset_folder / "masks" / f"{photo.stem}.png") as mask:
            pixels = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR))
            found.append(segmenter(pixels[None]).numpy().ravel() >= 0.5)
            truth.append(np.asarray(mask.resize((48, 48), Image.Resampling.BILINEAR)).ravel() >= 128)
    assert jaccard_score(np.concatenate(truth), np.concatenate(found)) > 0.6


def test_scores_are_those_of_the_saved_segmenter(trained, dataset_folder):
    """On photos and masks at their own size, decoded and resized by Pillow."""
    out, scores = trained
    photos = sorted((dataset_folder / "images").iterdir())
    held_out = np.random.default_rng(SETTINGS.seed).permutation(len(photos))[: len(photos) // 5]
    segmenter, found, truth = load_segmenter(out), [], []
    for photo in (photos[row] for row in held_out):
        with Image.open(photo) as image, Image.open(dataset_folder / "masks" / f"{photo.stem}.png") as mask:
            pixels = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR))
            person = Image.fromarray(segmenter(pixels[None]).numpy()[0, ..., 0])
            found.append(np.asarray(person.resize(image.size, Image.Resampling.BILINEAR)).ravel() >= 0.5)
            truth.append(np.asarray(mask).ravel() >= 128)
    truth, found = np.concatenate(truth), np.concatenate(found)
    assert (scores["photos"], scores["classes"]) == (len(held_out), 2)
    for answer, reached in ((found, scores), (np.zeros_like(truth), scores["background"])):
        assert reached["pixel_accuracy"] == pytest.approx(accuracy_score(truth, answer), abs=0.005)
        assert reached["person_iou"] == pytest.approx(jaccard_score(truth, answer), abs=0.02)
        assert reached["mean_iou"] == pytest.approx(jaccard_score(truth, answer, average="macro"), abs=0.01)


@pytest.mark.slow
def test_interrupted_and_resumed_it_is_the_same_segmenter(trained, dataset_folder, tmp_path):
    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 2:
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
    assert epochs == [2, 3]
    assert scores == trained[1]
    assert load_segmenter(tmp_path / "fcn").fingerprint == load_segmenter(trained[0]).fingerprint
    assert not (tmp_path / "fcn" / "training").exists()


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
    masks = shutil.copytree(dataset_folder / "masks", tmp_path / "masks")
    with Image.open(masks / "000001.png") as mask:
        inverted = ImageOps.invert(mask)
    inverted.save(masks / "000001.png")
    same = open_segmentation_dataset(dataset_folder, seed=SETTINGS.seed)
    of_fewer = replace(same, photos=same.photos[:-1], held_out=(0, 1))
    for dataset in (of_fewer, open_segmentation_dataset(dataset_folder, masks=masks, seed=SETTINGS.seed)):
        with pytest.raises(InputError, match="other settings, masks or photos"):
            train_segmenter(dataset, trained[0], SETTINGS, resume=True)


def test_settings_and_folders_that_cannot_be_are_refused(dataset_folder, tmp_path):
    for wrong in (
        {"epochs": 0},
        {"width": 0.0},
        {"width": 2.0},
        {"learning_rate": 0.0},
        {"size": 0},
        {"batch_size": 0},
        {"network": "unet"},
        {"backbone": "vgg"},
        {"size": 100, "network": "deeplab"},
        {"staged": True, "network": "deeplab"},
    ):
        with pytest.raises(InputError, match=next(iter(wrong))):
            SegmenterSettings(**wrong)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not a segmenter"):
        train(dataset_folder, tmp_path)
    one = SegmentationDataset(
        photos=(dataset_folder / "images" / "000001.jpg",),
        held_out=(0,),
        classes=("background", "person"),
        person=(1,),
        labels=lambda row: np.zeros((9, 9), np.uint8),
    )
    with pytest.raises(InputError, match="too few"):
        train_segmenter(one, tmp_path / "fcn", SETTINGS)


@pytest.mark.slow
def test_fcn8s_learns_voc_in_stages_though_it_is_killed_in_the_second(tmp_path):
    write_voc(tmp_path / "VOC2012", train=24, val=6)
    settings = replace(SETTINGS, staged=True, size=64, epochs=2, learning_rate=6e-3)
    losses: dict[str, list[float]] = {}

    def note(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            losses.setdefault(event["task"], []).append(event["loss"])

    def stop(event: dict[str, Any]) -> None:
        note(event)
        if event["event"] == "step" and (event["task"], event["epoch"]) == ("fcn16s", 1):
            raise KeyboardInterrupt

    out = tmp_path / "fcn"
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "VOC2012", out, settings=settings, on_event=stop)
    scores = train(tmp_path / "VOC2012", out, settings=settings, on_event=note, resume=True)
    assert {stage: len(epochs) for stage, epochs in losses.items()} == {"fcn32s": 2, "fcn16s": 2, "fcn8s": 2}
    assert losses["fcn16s"][0] < losses["fcn32s"][0]  # since it starts from what FCN-32s has learnt
    assert (scores["photos"], scores["classes"]) == (6, 21)
    assert scores["person_iou"] > 0.4
    assert scores["mean_iou"] > scores["background"]["mean_iou"] + 0.3
    segmenter = load_segmenter(out)
    assert (len(segmenter.classes), segmenter.person) == (21, (15,))
    assert score_segmenter(segmenter, open_segmentation_dataset(tmp_path / "VOC2012")) == scores
    assert {path.name for path in out.glob("[!.]*")} == {"model.keras", "segmenter.json", "settings.json"}


@pytest.mark.slow
def test_deeplab_learns_cfpd_and_all_clothes_are_person(tmp_path):
    write_cfpd(tmp_path / "CFPD", photos=30)
    settings = SegmenterSettings(
        network="deeplab", backbone="resnet_mini", size=64, epochs=4, batch_size=6, learning_rate=3e-3
    )
    scores = train(tmp_path / "CFPD", tmp_path / "deeplab", settings=settings)
    assert (scores["photos"], scores["classes"]) == (6, 23)
    assert scores["person_iou"] > 0.45
    assert scores["mean_iou"] > scores["background"]["mean_iou"] + 0.25
    segmenter = load_segmenter(tmp_path / "deeplab")
    assert segmenter.person == tuple(range(1, 23))
    photo = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    probabilities = segmenter.probabilities(photo).numpy()
    np.testing.assert_allclose(segmenter(photo)[..., 0], 1 - probabilities[..., 0], atol=1e-5)


def test_exhausted_memory_is_one_line_with_what_to_try(dataset_folder, tmp_path):
    """Photos of terabytes, which no machine can allocate."""
    with pytest.raises(InputError, match=r"fcn: out of memory.*--resume.*smaller --size or --batch-size 2\.") as caught:
        train(dataset_folder, tmp_path / "fcn", settings=replace(SETTINGS, size=1_000_000))
    assert "\n" not in str(caught.value)
