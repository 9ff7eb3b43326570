"""Published datasets, read from files of their structure that the tests write."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from keras_sister.data.open import open_dataset

RNG = np.random.default_rng(0)


def photos(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)


def cells(texts: list[str]) -> np.ndarray:
    """A MATLAB cell column of texts, nested as in the files."""
    column = np.empty((len(texts), 1), object)
    column[:, 0] = [np.array([text]) for text in texts]
    return column


def imported(name: str, folder: Path, out: Path) -> str:
    result = CliRunner().invoke(main, ["data", "import", name, str(folder), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("place", ["data", "images", "release_data/release_data"])
def test_pa100k(tmp_path, place):
    attributes = ["Female", "AgeOver60", "Age18-60", "Front"]
    parts = {"train": 5, "val": 2, "test": 3}
    names = [f"{i + 1:06d}.jpg" for i in range(10)]
    labels = RNG.integers(0, 2, (10, 4)).astype(np.uint8)
    content, start = {"attributes": cells(attributes)}, 0
    for part, count in parts.items():
        content[f"{part}_images_name"] = cells(names[start : start + count])
        content[f"{part}_label"] = labels[start : start + count]
        start += count
    photos(tmp_path / "PA" / place, names)
    scipy.io.savemat(tmp_path / "PA" / "annotation.mat", content)
    said = imported("pa100k", tmp_path / "PA", tmp_path / "pa.yaml")
    assert "10 photos (train 5, val 2, test 3), 4 attributes" in said
    dataset = open_dataset(tmp_path / "pa.yaml")
    assert dataset.schema.names == ["female", "ageover60", "age18_60", "front"]
    np.testing.assert_array_equal(dataset.labels, labels)
    assert dataset.split.tolist() == ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    assert [photo.name for photo in dataset.photos] == names


def test_peta(tmp_path):
    data = np.concatenate([RNG.integers(1, 9, (8, 4)), RNG.integers(0, 2, (8, 6))], axis=1)
    splits = np.empty((5, 1), object)
    for i in range(5):
        order = RNG.permutation(8)[:, None] + 1
        splits[i, 0] = {"train": order[:4], "val": order[4:5], "test": order[5:]}
    peta = {
        "data": data,
        "attribute": cells([f"attr{i}" for i in range(6)]),
        "selected_attribute": np.array([[1, 4, 6]]),
        "partion_attribute": splits,
    }
    scipy.io.savemat(tmp_path / "PETA.mat", {"peta": peta})
    photos(tmp_path / "images", [f"{i + 1:05d}.png" for i in range(8)])
    imported("peta", tmp_path, tmp_path / "peta.yaml")
    dataset = open_dataset(tmp_path / "peta.yaml")
    assert dataset.schema.names == ["attr0", "attr3", "attr5"]
    np.testing.assert_array_equal(dataset.labels, data[:, [4, 7, 9]])
    for part in ("train", "val", "test"):
        rows = np.flatnonzero(dataset.split == part) + 1
        assert rows.tolist() == sorted(splits[0, 0][part].ravel().tolist())


def deepfashion(folder: Path, anno: str = "Anno_coarse") -> np.ndarray:
    names = [f"img/Dress_{i}/img_{i:08d}.jpg" for i in range(6)]
    signs = RNG.integers(-1, 2, (6, 3))
    photos(folder, names)

    def write(file: str, head: str, lines: list[str]) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("\n".join([str(len(lines)), head, *lines]) + "\n")

    write(f"{anno}/list_attr_cloth.txt", "attribute_name attribute_type", ["a-line      3", "tie  dye   1", "photo  5"])
    write(f"{anno}/list_category_cloth.txt", "category_name category_type", ["Tee  1", "Dress  3"])
    rows = [f"{n}   {'  '.join(map(str, row))}" for n, row in zip(names, signs, strict=True)]
    write(f"{anno}/list_attr_img.txt", "image_name attribute_labels", rows)
    write(
        f"{anno}/list_category_img.txt", "image_name category_label", [f"{n}  {i % 2 + 1}" for i, n in enumerate(names)]
    )
    parts = ["train", "test", "val"] * 2
    write(
        "Eval/list_eval_partition.txt",
        "image_name evaluation_status",
        [f"{n}  {p}" for n, p in zip(names, parts, strict=True)],
    )
    return signs


@pytest.mark.parametrize("anno", ["Anno_coarse", "Anno"])
def test_deepfashion(tmp_path, anno):
    signs = deepfashion(tmp_path / "DF", anno)
    imported("deepfashion", tmp_path / "DF", tmp_path / "df.yaml")
    dataset = open_dataset(tmp_path / "df.yaml")
    assert dataset.schema.names[:3] == ["category", "a_line", "tie_dye"]
    assert dataset.schema.attributes[0].classes == ("Tee", "Dress")
    assert dataset.labels[:, 0].tolist() == [0, 1] * 3
    expected = np.select([signs == 1, signs == -1], [1, 0], -1)
    np.testing.assert_array_equal(dataset.labels[:, 1:], expected)
    assert dataset.split.tolist() == ["train", "test", "val"] * 2


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Anno/list_attr_img.txt", "6\n", "7\n", "6 lines, but its first line says '7'"),
        ("Anno/list_category_img.txt", "  1\n", "  9\n", "line 3: expected a photo and 1 numbers from 1 to 2"),
        ("Eval/list_eval_partition.txt", "  train", "  dev", "Received: 'dev'"),
        (
            "Eval/list_eval_partition.txt",
            "  train",
            "",
            "line 3: expected a photo and train, val or test. Received: ''",
        ),
        ("Eval/list_eval_partition.txt", "img_00000000", "other", "is not in list_eval_partition"),
    ],
)
def test_damaged_lists_are_one_line(tmp_path, file, old, new, message):
    deepfashion(tmp_path, "Anno")
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    result = CliRunner().invoke(
        main, ["data", "import", "deepfashion", str(tmp_path), "--out", str(tmp_path / "d.yaml")]
    )
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "d.yaml").exists()


@pytest.mark.parametrize(("name", "file"), [("pa100k", "annotation.mat"), ("peta", "PETA.mat")])
def test_what_is_not_the_dataset(tmp_path, name, file):
    command = ["data", "import", name, str(tmp_path), "--out", str(tmp_path / "d.yaml")]
    assert "no such file" in CliRunner().invoke(main, command).stderr
    (tmp_path / file).write_bytes(b"nothing")
    assert "not a readable MATLAB file" in CliRunner().invoke(main, command).stderr
    scipy.io.savemat(tmp_path / file, {"x": 1})
    assert "not the annotation" in CliRunner().invoke(main, command).stderr


def test_a_dataset_file_in_a_linked_folder_finds_its_photos(tmp_path):
    """The path to the photos goes up from where the link leads."""
    deepfashion(tmp_path / "data", "Anno")
    (tmp_path / "deep" / "settings").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "settings")
    out = tmp_path / "link" / "d.yaml"
    result = CliRunner().invoke(main, ["data", "import", "deepfashion", str(tmp_path / "data"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert all(photo.is_file() for photo in open_dataset(out).photos)
