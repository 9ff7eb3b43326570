import json
import shutil
from collections import Counter

from click.testing import CliRunner

from cli.main import main
from keras_sister.serving.tagger import Tagger


def test_the_tags_that_differ_are_counted_by_attribute(sister_export, baseline_export, photos, tmp_path):
    for i in range(12):  # many, so that some tags differ
        shutil.copy(photos[i % 5], tmp_path / f"{i:02}{photos[i % 5].suffix}")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "phone.HEIC").touch()
    command = ["compare-exports", str(sister_export.folder), str(baseline_export.folder), str(tmp_path)]
    result = CliRunner().invoke(main, [*command, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "1 file left out: .heic 1" in result.stderr
    assert (found["photos"], found["errors"], found["only_one_read"]) == (12, 1, [])
    files = sorted(path for path in tmp_path.iterdir() if path.name not in ("broken.jpg", "phone.HEIC"))
    ours, theirs = (list(Tagger(export.folder).tag(files)) for export in (sister_export, baseline_export))
    changed = set()
    for name, change in found["attributes"].items():
        pairs = [(a.attributes[name].value, b.attributes[name].value) for a, b in zip(ours, theirs, strict=True)]
        expected = Counter(f"{a} → {b}" for a, b in pairs if a != b)
        assert change["changes"] == dict(expected)
        assert (change["changed"], change["photos"]) == (sum(expected.values()), 12)
        changed |= {row for row, (a, b) in enumerate(pairs) if a != b}
    assert found["changed_photos"] == len(changed)
    assert set(found["attributes"]) == {"collar", "neckline", "gender"}
    shown = CliRunner().invoke(main, command)
    assert f"{len(changed)} of 12 photos have a tag that differs" in shown.stdout


def test_an_export_does_not_differ_from_itself(sister_export, photos):
    folder = str(sister_export.folder)
    result = CliRunner().invoke(main, ["compare-exports", folder, folder, *map(str, photos)])
    assert "0 of 5 photos have a tag that differs" in result.stdout
    none = CliRunner().invoke(main, ["compare-exports", folder, folder, "none.jpg"])
    assert (none.exit_code, none.stderr.splitlines()[-1]) == (
        1,
        "Error: None of 1 photos could be read by both exports.",
    )
