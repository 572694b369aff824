"""One ``features`` table for both: what a Spark job writes the one-machine API loads, and the other way round."""

import pytest
from album import GOOD, make_album

from dedup_core.current import Pending
from dedup_core.errors import InUseError, SettingsError
from dedup_core.methods import PHash
from dedup_core.settings.settings import EncodeSettings, FindSettings
from dedup_core.spark.locks import held
from dedup_core.spark.pipeline import run_encode, run_find
from dedup_core.spark.store import Store


def silent(_line):
    """Nobody watches."""


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    return make_album(tmp_path_factory.mktemp("album"))


def test_features_of_a_job_load_as_encodings(spark, album, tmp_path):
    run_encode(spark, EncodeSettings(input=str(album), output=str(tmp_path), method="phash,dhash"), silent)
    phash = PHash(verbose=False)
    wanted = phash.encode_images(album, recursive=True)
    loaded = phash.load_encodings(tmp_path / "features")
    assert loaded == wanted
    assert loaded.images == wanted.images


def test_a_job_searches_saved_encodings(spark, album, tmp_path):
    phash = PHash(verbose=False)
    encodings = phash.encode_images(album)
    phash.save_encodings(encodings, tmp_path / "saved")
    run_find(spark, FindSettings(features=str(tmp_path / "saved"), output=str(tmp_path / "out"), scores=True), silent)
    rows = spark.read.parquet(str(tmp_path / "out" / "duplicates")).collect()
    found = {row["path"]: [(item["path"], int(item["score"])) for item in row["duplicates"]] for row in rows}
    assert sorted(found) == GOOD
    assert found == phash.find_duplicates(encoding_map=encodings, scores=True)


def test_encodings_saved_among_the_tables_of_a_run_are_told_from_its_own(spark, album, tmp_path):
    phash, store = PHash(verbose=False), Store(str(tmp_path))
    run_encode(spark, EncodeSettings(input=str(album), output=str(tmp_path)), silent)
    searched = run_find(spark, FindSettings(output=str(tmp_path)), silent)
    with held(store, "1"), pytest.raises(InUseError, match="is in use: run 1 has worked there since"):
        phash.save_encodings(phash.load_encodings(tmp_path / "features"), tmp_path / "features", overwrite=True)
    current = store.read_current()
    assert current.stale() == []
    store.write_current(current.published(Pending(moves=(), gone=(), works=()), {}, ()))
    told = "holds tables of two runs, as one was cut short while it published: let any job of dedup run there first"
    with pytest.raises(SettingsError, match=told):
        phash.load_encodings(tmp_path / "features")
    with pytest.raises(SettingsError, match=told):
        phash.save_encodings({"a": "f" * 16}, tmp_path / "features", overwrite=True)
    store.write_current(current)
    phash.save_encodings(phash.load_encodings(tmp_path / "features"), tmp_path / "features", overwrite=True)
    assert store.read_current().stale() == [
        f"duplicates, groups, pairs, removals by phash are of run {searched.run_id}, and the phash features have "
        "changed since, by run one-machine: search again"
    ]
