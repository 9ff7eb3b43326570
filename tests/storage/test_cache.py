from keras_sister.storage.cache import cache_folder, clear_cache, list_cache


def test_the_cache_is_listed_and_cleared_by_kind():
    assert list_cache() == []
    block = cache_folder() / "views" / "224px-photos" / "block"
    block.mkdir(parents=True)
    (block / "photos.npy").write_bytes(bytes(300))
    (cache_folder() / "weights").mkdir()
    (cache_folder() / "weights" / "network.tflite").write_bytes(bytes(20))
    found = {(entry.kind, entry.path.name, entry.size) for entry in list_cache()}
    assert found == {("views", "224px-photos", 300), ("weights", "network.tflite", 20)}
    assert [entry.kind for entry in clear_cache(("views",))] == ["views"]
    assert [entry.kind for entry in list_cache()] == ["weights"]
    clear_cache()
    assert list_cache() == []


def test_a_link_in_the_cache_is_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    (cache_folder() / "views").mkdir(parents=True)
    (cache_folder() / "views" / "link").symlink_to(kept)
    clear_cache()
    assert (kept / "file").read_text() == "mine"
