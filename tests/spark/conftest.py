import os
from pathlib import Path

import pytest
from submitting import QUICK_JAVA

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """One session for the whole suite: starting a JVM costs more than most tests."""
    from dedup_core.spark.session import session

    os.environ.setdefault("SPARK_CONF_DIR", str(ROOT / "conf"))  # its log4j2 keeps Spark quiet
    os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(
        [
            "--master local[2]",
            "--conf spark.sql.shuffle.partitions=2",  # the data are small: more tasks are only overhead
            # Adaptive execution and code generation stay on, as users have them. What is compiled is kept, and no plan
            # is written out for a page that nobody opens: a tenth of the time.
            "--conf spark.sql.codegen.cache.maxEntries=5000 --conf spark.sql.ui.explainMode=simple",
            f"--conf spark.sql.warehouse.dir={tmp_path_factory.mktemp('warehouse')}",
            "--conf spark.driver.memory=2g",
            f'--driver-java-options "{QUICK_JAVA}"',
            "pyspark-shell",
        ]
    )
    with session("tests") as started:
        yield started


@pytest.fixture(scope="module")
def s3():
    """A client of a server that has an empty bucket, "lake", which all libraries find by the environment."""
    pytest.importorskip("moto", reason="needs moto: pip install 'moto[server]'")
    import boto3
    from object_server import object_server

    from dedup_core import filesystems

    with object_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        filesystems._filesystem.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        yield client
    filesystems._filesystem.cache_clear()


@pytest.fixture
def staging(spark, tmp_path):
    """A fresh staging place in a fresh output folder."""
    from dedup_core.spark.staging import Staging
    from dedup_core.spark.store import Store

    return Staging(spark, Store(str(tmp_path / "out")), "work")
