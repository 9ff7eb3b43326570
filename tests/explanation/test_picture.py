import matplotlib
import numpy as np

from keras_sister.explanation.picture import Panel, draw_explanation, inferno


def test_the_colours_are_matplotlibs():
    values = np.linspace(0, 1, 101)
    expected = matplotlib.colormaps["inferno"](values)[:, :3] * 255
    assert np.abs(inferno(values) - expected).max() < 10


def test_the_towers_share_one_scale():
    """The tower with a hundredth of the heat is dark, the other bright; grey views show it as brightness."""
    pixels = np.full((32, 32, 3), 100, np.uint8)
    heats = (np.full((32, 32), 5.0), np.full((32, 32), 0.05))
    picture = np.asarray(
        draw_explanation(["a photo"], [Panel("photo", pixels, heats[0]), Panel("b", pixels, heats[1])])
    )
    right = picture[:, 400].astype(int).sum(axis=1)
    first, second = right[60 + 60 : 60 + 200], right[60 + 290 + 60 : 60 + 290 + 190]
    assert first.min() > 480
    assert second.max() < 250


def test_no_heat_at_all_is_said_and_not_divided_by_zero():
    panel = Panel("photo", np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.float32))
    assert (
        draw_explanation(["a photo", "a line that is much longer than two pictures are wide" * 3], [panel]).width > 800
    )
