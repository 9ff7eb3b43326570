import numpy as np

from keras_sister.folding import fold_batch_norm
from keras_sister.models import load_model, mirror_averaged, schema_of
from keras_sister.models.mirror import unmirrored
from keras_sister.schema import DCSA

from .systems import model_of, views_of


def test_it_averages_a_photo_and_its_mirror_image(tmp_path):
    views = views_of("sister_a")
    model = model_of("sister_a")
    averaged = mirror_averaged(model)
    flipped = {view: image[:, :, ::-1] for view, image in views.items()}
    expected = (np.array(model(views)) + np.array(model(flipped))) / 2
    np.testing.assert_allclose(averaged(views), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(averaged(flipped), expected, rtol=1e-5, atol=1e-6)
    assert np.abs(np.array(model(views)) - expected).max() > 1e-3
    assert schema_of(averaged) == DCSA
    assert unmirrored(averaged) is model
    assert unmirrored(model) is model

    averaged.save(tmp_path / "averaged.keras")
    again = load_model(tmp_path / "averaged.keras")
    np.testing.assert_allclose(again(views), expected, rtol=1e-5, atol=1e-6)
    assert unmirrored(again).name == "sister_a"
    np.testing.assert_allclose(fold_batch_norm(again)(views), expected, rtol=1e-3, atol=1e-4)
