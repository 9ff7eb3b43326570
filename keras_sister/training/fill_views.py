"""The task that comes before training: the towers' weights are downloaded, and the photos become view pairs."""

from pathlib import Path

from keras_sister.data.view_store import ViewStore
from keras_sister.errors import InputError
from keras_sister.models import networks_of
from keras_sister.photo_files import PIXELS_VERSION, UnreadablePhotosError
from keras_sister.run import OnEvent, Run
from keras_sister.training.fetch import fetch_network
from keras_sister.training.preprocessing import preprocessor_of


def fetch_tower_weights(run: Run, on_event: OnEvent) -> None:
    """Download the initial weights of the towers before the first photo is decoded.

    Raises:
        InputError: if they are not available.
    """
    experiment = run.experiment
    networks = networks_of(experiment.system, experiment.backbone, experiment.person_backbone)
    for network in dict.fromkeys(networks.values()):
        fetch_network(network, experiment.weights, on_event)


def fill_view_store(run: Run, on_event: OnEvent) -> None:
    """Fill the view store and write ``views.json``; report photos without a person.

    Raises:
        InputError: if photos cannot be read, unless the run leaves them out; if the photos, the segmenter, or how
            photos are decoded have changed since the run was started.
    """
    experiment = run.experiment
    preprocessor = preprocessor_of(experiment)
    store = ViewStore(experiment.size, preprocessor.fingerprint)
    try:
        keys = store.fill(run.photos, preprocessor, on_event=on_event)
    except UnreadablePhotosError as error:
        _leave_out(run, error)
        on_event({"event": "left_out", "photos": len(error.reasons), "of": len(error.reasons) + len(run.photos)})
        keys = store.fill(run.photos, preprocessor, on_event=on_event)
    photos, before = run.photos, {}
    if (run.folder / "views.json").exists():
        _check_unchanged(run, photos, keys, store.fingerprint)
        before = run.views
    # As rows, which stay when the photos move. Earlier versions noted names, of which folds may have noted the hash.
    nobody = before.get("without_person", store.open(keys, photos).without_person())
    run.write(
        "views.json",
        {
            "images": PIXELS_VERSION,
            "fingerprint": store.fingerprint,
            "segmenter": experiment.segmenter,
            "keys": keys,
            "without_person": nobody,
        },
    )
    if experiment.needs_masks:
        on_event({"event": "without_person", "photos": len(nobody), "of": len(photos)})


def _leave_out(run: Run, error: UnreadablePhotosError) -> None:
    """Take photos that cannot be read out of a run in which nothing is trained yet; ``left_out.json`` lists them."""
    if (run.folder / "views.json").exists():
        raise InputError(f"{error}\nThey could be read when {run.folder} was started: restore them.") from error
    if run.experiment.on_error == "stop":
        raise InputError(f"{error}\nMend or remove them, or leave them out by --on-error skip.") from error
    dataset = run.read("dataset.json")
    photos = dataset["photos"]
    if len(error.reasons) == len(photos):
        raise error
    left_out = [{"row": row, **photos[row], "reason": reason} for row, reason in error.reasons.items()]
    run.write("left_out.json", left_out)  # first: a run that is killed here is started again
    kept = {
        name: [value for row, value in enumerate(column) if row not in error.reasons]
        for name, column in dataset.items()  # the photos, their groups, weights and splits
    }
    run.write("dataset.json", kept)


def _check_unchanged(run: Run, photos: list[Path], keys: list[str], fingerprint: str | None) -> None:
    before = run.views
    if before.get("images") != PIXELS_VERSION:
        raise InputError(
            f"{run.folder}: was started by a version of keras-sister that decodes photos in another way; start another"
            " run with --out."
        )
    if before["fingerprint"] != fingerprint:
        raise InputError(
            f"{run.experiment.segmenter}: changed since {run.folder} was started; start another run with --out."
        )
    for photo, then, now in zip(photos, run.photo_keys, keys, strict=True):
        if then != now:
            raise InputError(f"{photo}: changed since {run.folder} was started; start another run with --out.")
