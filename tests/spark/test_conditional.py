"""One object of a store that is replaced on condition that nobody else has replaced it meanwhile."""

import json
import sys

import pytest

from dedup_core.current import CURRENT
from dedup_core.errors import InUseError, SettingsError
from dedup_core.spark.conditional import StoredObject
from dedup_core.spark.store import Store


def test_of_two_who_replace_what_a_folder_holds_the_second_is_told(s3):
    stores = [Store("s3://lake/two") for _ in range(2)]
    stores[0].mark()
    assert all(store.read_current().run_id is None for store in stores)
    first = stores[0].read_current().model_copy(update={"run_id": "1"})
    second = first.model_copy(update={"run_id": "2"})
    stores[0].write_current(first)
    with pytest.raises(InUseError, match=r"two/current\.json was replaced meanwhile: another run has taken"):
        stores[1].write_current(second)
    assert Store("s3a://lake/two").read_current().run_id == "1"
    stores[1].write_current(second)  # it has seen the other's by now
    with pytest.raises(InUseError):
        stores[0].write_current(first)
    assert stores[0].read_current().run_id == "2"
    stores[0].write_current(first)
    stores[1]._truth.replace(first.to_json().encode())  # an answer that was lost on the way


def test_without_a_library_for_it_the_file_is_replaced_unconditionally(s3, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    store = Store("s3://lake/bare")
    store.write_current(store.read_current().model_copy(update={"run_id": "1"}))
    assert store._truth is None
    assert json.loads(s3.get_object(Bucket="lake", Key=f"bare/{CURRENT}")["Body"].read())["run_id"] == "1"


def test_a_store_that_does_not_answer_is_told_in_one_line(s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("dedup_core.spark.conditional._PATIENCE", {"max_retries": 0})
    with pytest.raises(OSError, match=r"^[^\n]*127\.0\.0\.1:9[^\n]*$"):
        StoredObject("s3://lake/x", CURRENT).read()
    for refused in (PermissionError("HTTP\n403"), OSError("HTTP\n403")):
        store = Store("s3://lake/x")
        monkeypatch.setattr(store, "leaves", lambda *_parts, refused=refused: (_ for _ in ()).throw(refused))
        with pytest.raises(SettingsError, match=r"^can't read s3://lake/x/dedup-core\.json: [^\n]*$"):
            store.read_marker()
