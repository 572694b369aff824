"""Images a second from a store and from a table that carries them, and how many bytes Spark shuffles for it.

    python benchmarks/encode_remote.py [--images 20000] [--rounds 1]

An S3 server on this machine (moto, in a process of its own) holds the images of one side, Parquet files those of the
other. Each side is a whole run of the encoding job: listing, phash, tables. No image may pass a shuffle: what is
shuffled are names, and it is told as a share of the images' bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from dedup_core.settings.settings import EncodeSettings
from dedup_core.spark.pipeline import run_encode
from dedup_core.spark.session import session

DRAWN = 200
FOLDER_IMAGES = 500
FILE_IMAGES = 2500
SERVER_SECONDS = 60


def drawn(count: int) -> list[bytes]:
    """Return so many photographs of noise, of some 30 KB each."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        rough = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize((384, 288))
        fine = rng.normal(0, 6, (288, 384, 3))
        file = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(rough) + fine, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=80)
        files.append(file.getvalue())
    return files


def images(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents, no two of them equal: a number stands behind the end of each picture."""
    pictures = drawn(min(count, DRAWN))
    for number in range(count):
        content = pictures[number % len(pictures)] + number.to_bytes(8, "big")
        yield f"{number // FOLDER_IMAGES:04d}/{number:07d}.jpg", content


def fill_table(folder: Path, count: int) -> int:
    """Write Parquet files of images, and return the bytes of these."""
    total, rows = 0, images(count)
    for number in range(-(-count // FILE_IMAGES)):
        names, contents = zip(*itertools.islice(rows, FILE_IMAGES), strict=True)
        table = pa.table({"path": names, "content": pa.array(contents, pa.binary())})
        pq.write_table(table, folder / f"part-{number:05d}.parquet", row_group_size=500)
        total += sum(map(len, contents))
    return total


@contextlib.contextmanager
def store(spark) -> Iterator[None]:
    """Run an S3 server, which Arrow and boto3 find by the environment, on this machine's workers too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    known = {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in known}
    of_workers = spark.sparkContext.environment
    asked = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.environ.update(known)
        of_workers.update(known)
        try:
            _wait_for(int(port))
            yield
        finally:
            server.terminate()
            for name, value in before.items():
                of_workers.pop(name)
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _wait_for(port: int) -> None:
    until = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < until:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no server came up within {SERVER_SECONDS} seconds")


def fill_store(bucket: str, count: int) -> int:
    """Put images into a new bucket, and return their bytes."""
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)

    def put(image: tuple[str, bytes]) -> int:
        client.put_object(Bucket=bucket, Key=f"photos/{image[0]}", Body=image[1])
        return len(image[1])

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(put, images(count)))


def shuffled(spark) -> int:
    """Return the bytes that this session's tasks have written to shuffles."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty()
    summaries = context.statusStore().executorList(False)
    return sum(summaries.apply(number).totalShuffleWrite() for number in range(summaries.size()))


def encoded(spark, location: str, count: int) -> tuple[float, int]:
    """Encode all images once, and return the seconds and the bytes shuffled."""
    before, started = shuffled(spark), time.perf_counter()
    with tempfile.TemporaryDirectory() as output:
        settings = EncodeSettings(input=location, input_format="auto", output=output)
        run = run_encode(spark, settings, lambda _line: None)
    if run.counts["encoded"] != count:
        raise RuntimeError(f"{count:,} images went in, and {run.counts['encoded']:,} were encoded")
    return time.perf_counter() - started, shuffled(spark) - before


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, session("benchmark") as spark, store(spark):
        bucket, table = f"benchmark-{secrets.token_hex(4)}", Path(folder) / "table"
        table.mkdir()
        sides = {f"s3a://{bucket}/photos": fill_store(bucket, given.images)}
        sides[str(table)] = fill_table(table, given.images)
        print(f"{given.images:,} images of {sides[str(table)] / given.images / 1000:.0f} KB, median of {given.rounds}")
        for name, (location, size) in zip(("store", "table"), sides.items(), strict=True):
            rounds = [encoded(spark, location, given.images) for _ in range(given.rounds)]
            seconds, moved = statistics.median(round_[0] for round_ in rounds), max(round_[1] for round_ in rounds)
            rate = given.images / seconds
            print(f"  {name:<6} {rate:8.1f} images/s  {moved:12,} bytes shuffled = {moved / size:.3%} of the images'")


if __name__ == "__main__":
    main()
