from click.testing import CliRunner

from cli.main import main
from keras_sister.storage.cache import cache_folder


def test_list_and_clear():
    weights = cache_folder() / "weights"
    weights.mkdir(parents=True)
    (weights / "network.tflite").write_bytes(bytes(2_000_000))
    listed = CliRunner().invoke(main, ["cache", "list"])
    assert listed.exit_code == 0, listed.output
    assert str(cache_folder()) in listed.stdout
    assert "2 MB  network.tflite" in listed.stdout
    assert CliRunner().invoke(main, ["cache", "clear"]).exit_code == 2
    assert (weights / "network.tflite").exists()
    cleared = CliRunner().invoke(main, ["cache", "clear", "weights"])
    assert cleared.stdout == "Deleted 1 items, 2 MB\n"
    assert not (weights / "network.tflite").exists()
