"""A standalone cluster on the loopback: a master and two workers of a core each, and jobs submitted to it."""

import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark
from submitting import QUICK_JAVA, ROOT

SPARK = Path(pyspark.__file__).parent
_MASTER, _WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
_OURS = ("SPARK_", "PYSPARK_", "PYTHONPATH", "DEDUP_")


@dataclass(frozen=True)
class Cluster:
    """A master and its workers.

    Attributes:
        url: of the master.
        folder: with their logs, and the work of applications.
        workers: the processes of the workers.
    """

    url: str
    folder: Path
    workers: list[subprocess.Popen]

    def start(self, *arguments, options="", **environment):
        """Start a job on the cluster by the command ``dedup``, and return its process."""
        submitted = (
            f"--master {self.url} --driver-memory 1g --executor-memory 512m --conf spark.sql.shuffle.partitions=2 "
            f'{options} --driver-java-options "{QUICK_JAVA}" --conf spark.executor.extraJavaOptions="{QUICK_JAVA}" '
            "pyspark-shell"
        )
        own = {"PYTHONPATH": str(ROOT), "SPARK_CONF_DIR": str(ROOT / "conf"), "PYSPARK_SUBMIT_ARGS": submitted}
        return subprocess.Popen(
            [sys.executable, "-m", "dedup_core", *map(str, arguments)],
            env=_clean() | own | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def executors(self):
        """Return the processes of the executors, by worker."""
        return [pid for worker in self.workers for pid in children(worker.pid)]

    def n_started(self):
        """Return how many executors the newest application was given so far."""
        newest = max(self.folder.glob("work*/app-*"), key=lambda path: path.name).name
        return sum(1 for _ in self.folder.glob(f"work*/{newest}/[0-9]*"))


@contextmanager
def standing(folder):
    """Yield a cluster, and end it.

    Raises:
        TimeoutError: if it doesn't stand within two minutes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, processes = f"spark://127.0.0.1:{port}", []
    try:
        processes.append(_daemon(folder / "master.log", _MASTER, "--port", str(port)))
        for number in range(2):
            memory = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}"), url]
            processes.append(_daemon(folder / f"worker{number}.log", _WORKER, *memory))
        until(lambda: (folder / "master.log").read_text().count("Registering worker") == 2)
        yield Cluster(url, folder, processes[1:])
    finally:
        for process in reversed(processes):
            for pid in children(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()


def _daemon(log, kind, *arguments):
    environment = _clean() | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    environment |= {"SPARK_DAEMON_JAVA_OPTS": QUICK_JAVA, "SPARK_CONF_DIR": str(log.parent)}  # Spark's own log
    command = [str(SPARK / "bin/spark-class"), kind, "--host", "127.0.0.1", "--webui-port", "0", *arguments]
    with open(log, "wb") as written:
        return subprocess.Popen(command, env=environment, stdout=written, stderr=subprocess.STDOUT)


def _clean():
    """Return the environment without what tests or a user say of Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


def until(holds, seconds=120):
    """Wait until something holds, and return what it gives.

    Raises:
        TimeoutError: if it doesn't come.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise TimeoutError(f"waited {seconds} s in vain")


def children(parent):
    """Return the processes that a process has started and that still run."""
    try:
        threads = Path(f"/proc/{parent}/task").iterdir()
        return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
    except OSError:  # it is gone meanwhile
        return []


def packed(folder):
    """Return an archive of this package, to be shipped."""
    archive = folder / "dedup.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(ROOT / "dedup_core", "dedup_core", filter=lambda each: None if "__pycache__" in each.name else each)
    return archive
