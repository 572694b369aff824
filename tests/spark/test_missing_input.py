"""An input that isn't there is told of before Spark is started; what only Spark can tell is left to it."""

import pytest

from dedup_core.errors import InputError
from dedup_core.jobs import encode, pipeline
from dedup_core.settings.settings import EncodeSettings, PipelineSettings
from dedup_core.spark.encode.sources import check_there


@pytest.mark.parametrize(("job", "kind"), [(encode, EncodeSettings), (pipeline, PipelineSettings)])
@pytest.mark.parametrize("name", ["nowhere", "nowhere/paths.csv", "a%20b.png"])
def test_a_job_whose_input_is_missing_starts_no_spark_and_writes_nothing(tmp_path, monkeypatch, job, kind, name):
    (tmp_path / "a b.png").touch()
    monkeypatch.setattr(job, "session", lambda _name: pytest.fail("Spark was started"))
    settings = kind(input=f"file://{tmp_path}/{name}", output=str(tmp_path / "out"))
    with pytest.raises(InputError, match=f"^the input does not exist: {tmp_path}/{name} "):
        job.run(settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "location",
    [
        "{folder}", "file:{folder}", "{folder}/*.png", "{folder}/{{a,b}}", "{folder}/[1]", "{folder}/nowhere/*", "~",
        "{folder}/dangling", "s3a://lake/nowhere", "hdfs:/nowhere",
    ],
)  # fmt: skip
def test_a_pattern_a_link_and_another_filesystem_are_looked_at_by_whoever_lists_them(tmp_path, location):
    (tmp_path / "dangling").symlink_to("nowhere")
    check_there(EncodeSettings(input=location.format(folder=tmp_path), output="unused"))
