"""The spreadsheet of synthetic photos: `data init` finds in it what was put in."""

import numpy as np

from keras_sister.data.dataset_file import read_dataset_file
from keras_sister.data.open import open_dataset
from keras_sister.data.proposal_file import to_dataset_file
from keras_sister.data.propose import propose_dataset
from keras_sister.data.tables import read_table
from keras_sister.schema import DCSA, UNKNOWN
from keras_sister.street import write_street
from keras_sister.street.fabrics import COLORS
from keras_sister.street.outfits import hide_labels, random_outfit
from keras_sister.street.table import TYPOS, to_table


def test_what_was_put_in_is_proposed_and_read(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.stack([random_outfit(rng).labels for _ in range(300)])
    hidden = hide_labels(labels, rng)
    (tmp_path / "images").mkdir()
    for i in range(300):
        (tmp_path / "images" / f"{i + 1:06d}.jpg").touch()
    (tmp_path / "products.csv").write_text(to_table(labels, hidden, seed=0), encoding="utf-8")
    proposal = propose_dataset(read_table(tmp_path / "products.csv"))
    assert (proposal.photo, proposal.group, proposal.missing) == ("Image", "product_id", 0)
    assert set(proposal.left_out) == {"product_id", "Price", "Description"}
    found = {(h, t.meant, t.spelling) for h, (_, classes) in proposal.columns.items() for t in classes.typos}
    assert found == {(heading, *pair) for heading, pair in TYPOS.items()}

    out = tmp_path / "dataset.yaml"
    out.write_text(to_dataset_file(proposal, out), encoding="utf-8")
    dataset, file = open_dataset(out), read_dataset_file(out)
    for ours, theirs in (
        ("category", "category"),
        ("sleeve_length", "sleevelength"),
        ("neckline", "neckline"),
        ("scarf", "scarf"),
    ):
        classes = next(column.classes for column in file.columns if column.name == ours)
        order = DCSA.attributes[DCSA.names.index(theirs)].classes
        expected = [classes.index(order[c]) if c != UNKNOWN else UNKNOWN for c in hidden[:, DCSA.names.index(theirs)]]
        assert dataset.labels[:, dataset.schema.names.index(ours)].tolist() == expected
    blank = hidden[:, DCSA.names.index("many_colors")] == UNKNOWN
    for color in COLORS:
        expected = np.where(blank, UNKNOWN, labels[:, DCSA.names.index(color)])
        np.testing.assert_array_equal(dataset.labels[:, dataset.schema.names.index(f"colours_{color}")], expected)
    sizes = np.unique(dataset.groups, return_counts=True)[1]
    assert (sizes.min(), sizes.max()) == (1, 4)


def test_the_photos_are_those_of_the_other_layout(tmp_path):
    write_street(tmp_path / "dcsa", photos=2, seed=3)
    write_street(tmp_path / "shop", photos=2, seed=3, layout="table")
    for name in ("images/000001.jpg", "images/000002.jpg", "masks/000002.png"):
        assert (tmp_path / "dcsa" / name).read_bytes() == (tmp_path / "shop" / name).read_bytes()
    assert not (tmp_path / "shop" / "labels").exists()
    assert len(read_table(tmp_path / "shop" / "products.csv").rows) == 2
