"""On JAX and PyTorch they are checked by `tests.test_other_backends`."""

import pytest

from . import label_rules


@pytest.mark.slow
def test_labels_mean_the_same_on_tensorflow():
    label_rules.main()
