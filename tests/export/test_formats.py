import json

import numpy as np
import pytest
import tensorflow as tf

from keras_sister.errors import InputError
from keras_sister.export import formats
from keras_sister.export.export_model import TOLERANCES
from keras_sister.export.export_run import export_run
from keras_sister.export.formats import run_converted
from keras_sister.serving.choices import FORMATS

from ..exports import trained_run, verify_here

RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def exported(photos, fcn, tmp_path_factory):
    """With a backbone that has more kinds of layers than those of other tests."""
    folder = tmp_path_factory.mktemp("formats")
    mini = {"backbone": "resnet_mini"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_SISTER_CACHE", str(tmp_path_factory.mktemp("cache")))
        verify_here(folder, patch)
        run = trained_run(folder / "run", photos, system="sister_a", segmenter=str(fcn), background="black", **mini)
        return export_run(run, folder / "export", formats=tuple(FORMATS)).folder


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_answers_by_name_as_the_savedmodel_does(exported, name):
    file = exported / name / FORMATS[name]
    signature = tf.saved_model.load(str(exported)).signatures["views"]
    for batch in (1, 3):
        views = {view: RNG.integers(0, 256, (batch, 64, 64, 3), np.uint8) for view in ("photo", "segmented")}
        expected = signature(**{view: tf.constant(pixels) for view, pixels in views.items()})
        found = run_converted(file, name, views)
        assert found.keys() == expected.keys()
        for output, values in expected.items():
            np.testing.assert_allclose(found[output], values, atol=1e-5, err_msg=output)
    about = json.loads((exported / "assets.extra" / "export.json").read_text())
    assert 0 < about["formats"][name]["largest_difference"] < TOLERANCES["float32"]
    assert f"In {name}: " in (exported / "assets.extra" / "model_card.md").read_text()


def test_what_cannot_be_is_said_before_anything_is_written(baseline, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="float32 only"):
        export_run(baseline, tmp_path / "out", formats=("onnx",), precision="bfloat16")
    monkeypatch.setitem(formats._NEEDS, "onnx", ("a_package_that_nobody_has",))
    with pytest.raises(InputError, match=r"pip install .*\[onnx\]'"):
        export_run(baseline, tmp_path / "out", formats=("onnx",))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("verified_here")
def test_a_format_that_answers_otherwise_fails_the_export(baseline, tmp_path, monkeypatch):
    real = formats.run_converted

    def wrong(*arguments):
        return {name: values + 0.01 for name, values in real(*arguments).items()}

    monkeypatch.setattr("keras_sister.export.formats.run_converted", wrong)
    with pytest.raises(InputError, match=r"litert differs from the model by 0\.01"):
        export_run(baseline, tmp_path / "out", formats=("litert",))
    assert not (tmp_path / "out").exists()
