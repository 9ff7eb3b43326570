"""Suspicious labels go out to Label Studio and FiftyOne, are corrected there, and come back into a dataset.

The exports are what the tools write: ``json_min`` below is the rule of label-studio-sdk 2.1's converter, and
``fiftyone_export`` adds what FiftyOne 1.22 adds.
"""

import copy
import json
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.io
from click.testing import CliRunner

from cli.main import main
from cli.review import list_issues
from keras_sister.app.corrections import keep_correction
from keras_sister.data.dcsa import load_dcsa
from keras_sister.errors import InputError
from keras_sister.evaluation.label_issues import read_issues
from keras_sister.photo_files import content_hash
from keras_sister.review.apply_corrections import read_corrections
from keras_sister.review.label_studio import task_data
from keras_sister.run import Run
from keras_sister.schema import DCSA, Attribute, Schema
from keras_sister.training.start import start_run

from ..run_folder import note_all_checksums, write_run


@pytest.fixture(scope="module")
def run(dataset_folder, tmp_path_factory) -> Run:
    """A run of the 48 photos with random logits, so that many labels are suspicious."""
    dataset = load_dcsa(dataset_folder)
    found = write_run(tmp_path_factory.mktemp("runs") / "sister", dataset.labels, schema=DCSA, photos=dataset.photos)
    found.write("views.json", {**found.views, "keys": [content_hash(photo) for photo in dataset.photos]})
    note_all_checksums(found)
    return found


@pytest.fixture(scope="module")
def tasks(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("review") / "tasks.json"
    said = sister("data", "review", run.folder, "--out", out)
    flagged = [issue for issue in read_issues(run) if issue.flagged]
    assert f"{len(flagged)} suspicious labels of {len({i.row for i in flagged})} photos" in said
    return out


def sister(*arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == (1 if fails else 0), result.output
    return result.stderr if fails else result.stdout


def reviewed(tasks: list, wanted: int = 20) -> tuple[list, dict[tuple[str, str], str]]:
    """The project's JSON export after a review, and the classes chosen by photo and attribute.

    Every third time the reviewer takes another class than the suggested one, if there is one.
    """
    export, chosen = copy.deepcopy(tasks), {}
    for number, task in enumerate(export, start=1):
        results = []
        for result in task["predictions"][0]["result"][:3]:
            if len(chosen) == wanted:
                break
            classes = DCSA.attributes[DCSA.names.index(result["from_name"])].classes
            (suggested,) = result["value"]["choices"]
            taken = classes[(classes.index(suggested) + (len(chosen) % 3 == 2)) % len(classes)]
            chosen[task["data"]["photo-name"], result["from_name"]] = taken
            results.append({**result, "value": {"choices": [taken]}, "origin": "prediction"})
        cancelled = {"id": 99, "was_cancelled": True, "result": task["predictions"][0]["result"]}
        annotation = {"id": number, "was_cancelled": False, "result": results, "completed_by": 1, "lead_time": 4.2}
        task |= {"id": number, "annotations": [cancelled, annotation] if results else [], "drafts": []}
    assert len(chosen) == wanted
    return export, chosen


def json_min(export: list) -> list:
    items = []
    for task in export:
        annotations = [a for a in task["annotations"] if not a["was_cancelled"]]
        for annotation in annotations or ([{"result": []}] if not task["annotations"] else []):
            chosen = {r["from_name"]: r["value"]["choices"] for r in annotation["result"]}
            more = {"annotator": 1, "annotation_id": 5, "created_at": "2026-11-25", "updated_at": None, "lead_time": 3}
            values = {
                name: classes[0] if len(classes) == 1 else [{"choices": classes}] for name, classes in chosen.items()
            }
            items.append({**task["data"], "id": task["id"], **values, **more})
    return items


def labels_of(folder: Path) -> dict[str, np.ndarray]:
    """The label files, without our reader."""
    return {file.stem: scipy.io.loadmat(file)["GT"].ravel() for file in (folder / "labels").iterdir()}


def check_corrected(given: Path, out: Path, chosen: dict[tuple[str, str], str]) -> None:
    """The chosen classes are in the new dataset, and all else is as it was."""
    expected = labels_of(given)
    for (photo, attribute), class_name in chosen.items():
        classes = DCSA.attributes[DCSA.names.index(attribute)].classes
        expected[f"{attribute}_GT"][int(Path(photo).stem) - 1] = classes.index(class_name) + 1
    found = labels_of(out)
    assert found.keys() == expected.keys()
    for name, column in expected.items():
        np.testing.assert_array_equal(found[name], column, err_msg=name)
    for folder in ("images", "masks"):
        copies = {file.name: file.read_bytes() for file in (out / folder).iterdir()}
        assert copies == {file.name: file.read_bytes() for file in (given / folder).iterdir()}


@pytest.mark.parametrize("form", [list, json_min])
def test_20_corrections_through_label_studio(form, run, tasks, dataset_folder, tmp_path):
    before = labels_of(dataset_folder)
    export, chosen = reviewed(json.loads(tasks.read_text()))
    (tmp_path / "export.json").write_text(json.dumps(form(export)))
    said = sister("data", "apply", dataset_folder, tmp_path / "export.json", "--out", tmp_path / "DCSA2")
    check_corrected(dataset_folder, tmp_path / "DCSA2", chosen)
    after = load_dcsa(tmp_path / "DCSA2")
    changed = (after.labels != load_dcsa(dataset_folder).labels).sum()
    assert f"20 corrections: {changed} labels of" in said
    assert changed >= 13
    np.testing.assert_equal(labels_of(dataset_folder), before)
    with pytest.raises(InputError, match="other photos or labels"):  # so that it is another run
        start_run(run, after, run.experiment, resume=True)


def test_tasks_fit_the_labelling_configuration(run, tasks, dataset_folder):
    view = ElementTree.fromstring(tasks.with_suffix(".xml").read_text())  # noqa: S314 - our own
    assert view.tag == "View"
    image, text = view.find("Image").attrib, view.find("Text").attrib
    choices = {control.get("name"): control for control in view.iter("Choices")}
    assert list(choices) == DCSA.names
    assert len({image["name"], text["name"], *choices}) == 2 + len(DCSA)
    for attribute in DCSA:
        control = choices[attribute.name]
        assert (control.get("toName"), control.get("choice")) == (image["name"], "single")
        assert tuple(c.get("value") for c in control) == attribute.classes
    content = json.loads(tasks.read_text())
    keys = dict(zip((photo.name for photo in run.photos), run.photo_keys, strict=True))
    for task in content:
        data = task["data"]
        assert {image["value"].lstrip("$"), text["value"].lstrip("$")} <= data.keys()
        assert data["photo-sha256"] == keys[data["photo-name"]]
        url = urlparse(data["photo"])
        assert url.path == "/data/local-files/"
        assert dataset_folder / parse_qs(url.query)["d"][0] == dataset_folder / "images" / data["photo-name"]
        for result in task["predictions"][0]["result"]:
            assert (result["type"], result["to_name"]) == ("choices", image["name"])
            assert result["value"]["choices"][0] in DCSA.attributes[DCSA.names.index(result["from_name"])].classes
    suggested = {(t["data"]["photo-name"], r["from_name"]) for t in content for r in t["predictions"][0]["result"]}
    assert suggested == {(i.photo, i.attribute) for i in read_issues(run) if i.flagged}


@pytest.mark.parametrize("name", ["a b#1.jpg", "100%.jpg", "x+y&z=1.jpg", "Größe?.jpg", "%2e%2e.jpg"])
def test_a_url_leads_to_a_photo_of_any_name(name, tmp_path):
    data = task_data(tmp_path / "img" / name, root=tmp_path, name=name, sha256="0" * 64, text="")
    assert parse_qs(urlparse(data["photo"]).query) == {"d": [f"img/{name}"]}


def test_through_fiftyone(run, dataset_folder, tmp_path):
    samples = tmp_path / "samples.json"
    sister("data", "review", run.folder, "--format", "fiftyone", "--out", samples)
    content = json.loads(samples.read_text())
    fields = {field for sample in content["samples"] for field in sample}
    assert fields == content["sample_fields"].keys()
    chosen = {}
    for sample in content["samples"]:
        assert content_hash(Path(sample["filepath"])) == sample["photo_sha256"]
        for field in [field for field in sample if field.startswith("label_")]:
            assert sample[field]["label"] in content["classes"][field]
            if len(chosen) < 20:
                suggestion = sample[field.replace("label_", "suggested_")]["label"]
                chosen[Path(sample["filepath"]).name, field.removeprefix("label_")] = suggestion
                sample[field]["label"] = suggestion
    for exported in (fiftyone_export(content), {"samples": fiftyone_export(content)["samples"]}):
        shutil.rmtree(tmp_path / "DCSA2", ignore_errors=True)
        (tmp_path / "export.json").write_text(json.dumps(exported))
        sister("data", "apply", dataset_folder, tmp_path / "export.json", "--out", tmp_path / "DCSA2")
        check_corrected(dataset_folder, tmp_path / "DCSA2", chosen)


def fiftyone_export(content: dict) -> dict:
    missing = dict.fromkeys(content["sample_fields"])
    samples = []
    for sample in content["samples"]:
        labels = {
            field: {"_id": {"$oid": "6b07638c5712374dc50c936a"}, **value} if isinstance(value, dict) else value
            for field, value in sample.items()
        }
        samples.append({**missing, "created_at": {"$date": "2026-11-25T20:00:00Z"}, **labels})
    return {**content, "version": "1.22.1", "samples": samples}


def test_corrections_of_the_app(dataset_folder, tmp_path):
    kept = tmp_path / "corrections"
    photos = sorted((dataset_folder / "images").iterdir())
    chosen = {("000003.jpg", "neckline"): "round", ("000003.jpg", "scarf"): "yes", ("000007.jpg", "scarf"): "no"}
    for (name, attribute), class_name in chosen.items():
        uploaded = tmp_path / "upload of mine.jpg"  # whatever its name
        shutil.copyfile(next(photo for photo in photos if photo.name == name), uploaded)
        keep_correction(kept, uploaded, DCSA, attribute, class_name)
    sister("data", "apply", dataset_folder, kept, "--out", tmp_path / "DCSA2")
    check_corrected(dataset_folder, tmp_path / "DCSA2", chosen)
    (task,) = json.loads(next(kept.glob("*.json")).read_text())
    served = kept.parent / parse_qs(urlparse(task["data"]["photo"]).query)["d"][0]
    assert served.is_file()
    view = ElementTree.fromstring((kept / "labelling.xml").read_text())  # noqa: S314 - our own
    assert [control.get("name") for control in view.iter("Choices")] == DCSA.names
    assert view.find("Text").get("value").lstrip("$") in task["data"]


SHA = "ab" * 32


def task(*choices: tuple[str, object], sha256: object = SHA) -> dict:
    results = [
        {"from_name": name, "to_name": "photo", "type": "choices", "value": {"choices": classes}}
        for name, classes in choices
    ]
    data = {"photo-sha256": sha256, "photo-name": "1.jpg"}
    return {"data": data, "annotations": [{"result": results}]}


SCARF = ("scarf", ["yes"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([task(("scraf", ["yes"]))], r"item 1 \(1\.jpg\): no attribute 'scraf'"),
        ([task(SCARF), task(("scarf", ["maybe"]))], r"item 2 \(1\.jpg\): no class 'maybe' of scarf; there are no, yes"),
        ([task(SCARF), task(("scarf", ["no"]))], r"scarf is 'no' here and 'yes' in .*item 1 .*keep one"),
        ([task(("scarf", ["no", "yes"]))], "'scarf' must be one class"),
        ([task(("scarf", "yes")), task(("scarf", 1))], "'scarf' must be one class. Received: 1"),
        ([task(SCARF, sha256="x")], "without the SHA-256 of its photo"),
        ([task(SCARF, sha256=None)], "without the SHA-256"),
        ([task()], "no corrections; export the reviewed project"),
        ([], "no corrections"),
        ([7], "item 1: not a task of Label Studio"),
        ([{"data": 7}], "item 1: not a task of Label Studio"),
        ([{**task(), "annotations": 7}], "not an annotation of Label Studio"),
        ([{**task(), "annotations": [{"result": [{"type": "choices"}]}]}], "not an annotation of Label Studio"),
        ({"a": 1}, "not an export of Label Studio"),
        ("text", "not an export of Label Studio"),
        ([{"photo-sha256": SHA, "scraf": "yes"}], "no attribute 'scraf'"),
        ([{"photo-sha256": SHA, "scarf": [{"choices": ["no", "yes"]}]}], "'scarf' must be one class"),
        ({"samples": 7}, "not an export of FiftyOne"),
        ({"samples": [7]}, "sample 1: not a sample of FiftyOne"),
        ({"samples": [{"filepath": "a/1.jpg", "label_scarf": {"label": "yes"}}]}, "without the SHA-256"),
        ({"samples": [{"filepath": "a/1.jpg", "photo_sha256": SHA, "label_scarf": {"label": 1}}]}, "must be one class"),
        (
            {"samples": [{"filepath": "a/1.jpg", "photo_sha256": SHA, "label_x": {"label": "a"}}]},
            r"\(1\.jpg\): no attr",
        ),
    ],
)
def test_bad_corrections_are_one_line_with_file_and_item(content, message, tmp_path):
    file = tmp_path / "export.json"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_corrections(file, DCSA)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_photo_that_the_dataset_does_not_have_is_named_and_nothing_is_written(dataset_folder, tmp_path):
    (tmp_path / "export.json").write_text(json.dumps([task(SCARF)]))
    said = sister("data", "apply", dataset_folder, tmp_path / "export.json", "--out", tmp_path / "new", fails=True)
    assert f"item 1 (1.jpg): no photo of {dataset_folder} has its content, SHA-256 {SHA}" in said
    assert [file.name for file in tmp_path.iterdir()] == ["export.json"]
    said = sister("data", "apply", dataset_folder, tmp_path / "none.json", "--out", tmp_path / "new", fails=True)
    assert "none.json: no such file or folder" in said
    said = sister("data", "apply", dataset_folder, tmp_path / "export.json", "--out", tmp_path, fails=True)
    assert "already exists" in said
    said = sister("data", "apply", dataset_folder, tmp_path / "export.json", "--out", tmp_path / "new.yaml", fails=True)
    assert "--out must be a folder" in said


def test_json_min_hides_an_attribute_that_is_named_like_its_own_keys(tmp_path):
    schema = Schema((Attribute("id"), Attribute("scarf")))
    (tmp_path / "min.json").write_text(json.dumps([{"photo-sha256": SHA, "id": 3, "scarf": "yes"}]))
    with pytest.raises(InputError, match="no place for the attribute 'id'; export JSON"):
        read_corrections(tmp_path / "min.json", schema)
    (tmp_path / "all.json").write_text(json.dumps([task(("id", ["yes"]))]))
    (correction,) = read_corrections(tmp_path / "all.json", schema)
    assert (correction.attribute, correction.class_name) == ("id", "yes")


def test_nothing_is_overwritten_and_nothing_flagged_is_said(run, tasks, tmp_path):
    assert f"{tasks}: already exists" in sister("data", "review", run.folder, "--out", tasks, fails=True)
    sure = write_run(tmp_path / "sure", np.array([[1, -1], [1, -1], [1, -1]]))
    said = sister("data", "review", sure.folder, "--out", tmp_path / "none.json", fails=True)
    assert "no label is flagged; there is nothing to review" in said
    assert "schema.json: no such file" in sister("data", "review", tmp_path, "--out", tmp_path / "a.json", fails=True)


def test_without_cleanlab_one_line_says_how_to_get_the_list(run, monkeypatch, capsys):
    monkeypatch.setattr("keras_sister.extras.find_spec", lambda package: None)
    assert list_issues(run.folder) == []  # as at the end of `cv`, which goes on
    said = capsys.readouterr().err
    assert said.startswith("No list of suspicious labels, issues.csv: it needs cleanlab. Install it: pip install")
    assert "[review]" in said
    assert said.count("\n") == 1
