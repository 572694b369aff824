"""What goes wrong around a run: Java's and the workers' errors that a user can cause, and what to do about each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import walk_tb

import pyspark
from pyarrow import ArrowException
from pyspark.sql import SparkSession

from dedup_core.errors import DedupError

_SHIP = (
    "ship this environment to them (./spark-submit.sh --pack env.tar.gz, then PYSPARK_PYTHON=./environment/bin/python "
    "and --archives env.tar.gz#environment)"
)
_NEEDED = (
    "dedup_core|numpy|PIL|pyarrow|pandas|scipy|pywt|numba|llvmlite|cv2|pydantic|yaml|simplejpeg|tensorflow|onnxruntime"
)
_MEMORY_OF_PYTHON = (
    "give it more by spark.executor.memoryOverhead, or run fewer tasks beside each other (--executor-cores)"
)
_GOES_ON = "The same command goes on from the last checkpoint"
_JAVA_ENDED = (
    "Spark's Java has ended: it ran out of memory, or was killed. In local mode give it more by --driver-memory "
    f"(spark.driver.memory). {_GOES_ON}"
)
_STOPPED = (
    "the Spark session was stopped while it was needed: start one, and make the DataFrames anew in it; where it ended "
    "as soon as it began, its master does not answer"
)

_S3 = (
    "S3", "org.apache.hadoop:hadoop-aws",
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment of driver and workers, or their machines' role",
)  # fmt: skip
_GOOGLE = (
    "Google Cloud Storage", "org.apache.hadoop:hadoop-gcp",
    "GOOGLE_APPLICATION_CREDENTIALS in the environment of driver and workers, which Hadoop asks by "
    "spark.hadoop.fs.gs.auth.type=APPLICATION_DEFAULT",
)  # fmt: skip
_AZURE = (
    "Azure", "org.apache.hadoop:hadoop-azure",
    "spark.hadoop.fs.azure.account.key.ACCOUNT.dfs.core.windows.net for tables, and AZURE_CLIENT_ID, AZURE_TENANT_ID "
    "and AZURE_CLIENT_SECRET in the environment of driver and workers for images",
)  # fmt: skip
_STORES = {"s3a": _S3, "s3": _S3, "s3n": _S3, "gs": _GOOGLE, "azurebfs": _AZURE, "azure": _AZURE, "abfs": _AZURE}
"""Of a name in Hadoop's classes, or a scheme: what it is, the package that Spark lacks, where credentials go."""

_GOOGLES_OWN = "com.google.cloud.bigdataoss:gcs-connector:hadoop3-2.2.21"
"""For a Hadoop older than 3.5, which has no package for Google's store."""


def hadoop_version() -> str | None:
    """Return the version of the Hadoop that this Spark ships, as its files say; None where it ships none."""
    homes = [os.environ.get("SPARK_HOME"), os.path.dirname(pyspark.__file__)]
    jars = (jar.name for home in homes if home for jar in sorted(Path(home, "jars").glob("hadoop-client-*.jar")))
    versions = (re.search(r"-(\d+(?:\.\d+)+)\.jar$", jar) for jar in jars)
    return next((version[1] for version in versions if version), None)


def _without_store(found: re.Match[str]) -> str:
    name = found["package"] or found["scheme"]
    if name not in _STORES:
        return f"Spark knows no filesystem {name}://: give it the package that does, by --packages, or another location"
    store, package, credentials = _STORES[name]
    told = f"{package}:{hadoop_version() or 'VERSION, that of its Hadoop'}"
    if store == _GOOGLE[0] and found["scheme"]:
        told = _GOOGLES_OWN
    spelt = "; Spark knows it as s3a://" if found["scheme"] in ("s3", "s3n") else ""
    return (
        f"Spark lacks Hadoop's package for {store}: start it with --packages {told}{spelt}. Credentials: {credentials}"
    )


def _lost(found: re.Match[str]) -> str:
    return f"an executor was lost each time that a task was tried ({' '.join(found[1].split())}): see its log"


_KNOWN: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"Class org\.apache\.hadoop\.fs\.(?P<package>[a-z0-9]+)\.\S+ not found|"
     r'No FileSystem for scheme[: ]+"?(?P<scheme>\w+)',
     _without_store),
    (rf"ModuleNotFoundError: No module named '({_NEEDED})\b",
     rf"Spark's workers lack the package \1: name a Python that has it by PYSPARK_PYTHON, or {_SHIP}"),
    (r"ModuleNotFoundError: No module named '([^'.]+)",
     r"Spark's workers lack the package \1: install it in their Python, or ship it (--py-files, --archives)"),
    (r"different version:? \(?([\d., ]*\d)\)? than that in driver:? ([\d.]+)",
     rf"Spark's workers run Python \1, and the driver \2: name a Python \2 of theirs by PYSPARK_PYTHON, or {_SHIP}"),
    (r'Cannot run program "([^"]*python[^"]*)"',
     rf"Spark's workers have no \1 to run: name a Python of theirs by PYSPARK_PYTHON, or {_SHIP}"),
    (r"(?:ImportError: cannot import name|AttributeError: Can't get attribute).*dedup_core",
     rf"Spark's workers have another version of dedup-core than the driver: install one and the same, or {_SHIP}"),
    (r"No space left on device|[Dd]isk quota exceeded",
     "a disk is full: that of the output, or the one where Spark puts aside what it works on (SPARK_LOCAL_DIRS, "
     f"spark.local.dir). {_GOES_ON}"),
    (r"unable to create native thread|Resource temporarily unavailable",
     "no more threads or processes can be started: raise the limit of this user (ulimit -u), or run fewer tasks beside "
     "each other"),
    (r"OutOfMemoryError|ExecutorLostFailure.*code 52\b",
     "Java ran out of memory: give it more by --executor-memory (spark.executor.memory), or where the driver works, as "
     f"in local mode, by --driver-memory. {_GOES_ON}"),
    (r"beyond the '\w+' memory limit|exceeding (?:physical |virtual )?memory limits|OOMKilled|"
     r"ExecutorLostFailure.*code 137\b",
     f"an executor was killed, for the memory that it took or by hand: {_MEMORY_OF_PYTHON}. {_GOES_ON}"),
    (r"Python worker exited unexpectedly|Python worker failed to connect back",
     "a worker's Python ended unasked, each time that a task was tried. Mostly the system kills it for want of memory: "
     f"{_MEMORY_OF_PYTHON}; in local mode --master local[2]. {_GOES_ON}"),
    (r"^\s*(?:\w+\.)*(?:Arrow)?MemoryError\b|malloc of size \d+ failed",
     f"a worker's Python ran out of memory: {_MEMORY_OF_PYTHON}; in local mode --master local[2]. {_GOES_ON}"),
    (r"Checkpoint block \S+ not found",
     "what an executor held of the steps is gone with it: name a folder for them by folder="),
    (r"ExecutorLostFailure[^\n]*?Reason: ([^\n]{1,200})", _lost),
    (r"has failed the maximum allowable number of times|MetadataFetchFailedException|FetchFailedException",
     "executors were lost again and again with what they had shuffled: see their logs, and give them more memory. "
     f"{_GOES_ON}"),
    (r"Mkdirs failed to create (\S+)", r"can't make the folder \1: let the user of Spark's workers write there"),
    (r"AccessControlException: ([^\n]{1,200})",
     r"HDFS refuses it (\1): let that user in, or name one by HADOOP_USER_NAME"),
    (r"No AWS Credentials|NoAwsCredentials|NoAuthWithAWS|Unable to load credentials",
     f"S3 was given no credentials: it takes {_S3[2]}"),
    (r"AWS Error ACCESS_DENIED|[Ss]tatus [Cc]ode: 403|HTTP response code 403|InvalidAccessKeyId|SignatureDoesNotMatch|"
     r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH",
     f"the store refuses access (403): credentials are {_S3[2]}, and must be allowed to list, read and write there"),
    (r"NO_SUCH_BUCKET|Bucket '?[^'\n]*'? not found|[Bb]ucket does not exist|UnknownStoreException",
     "the bucket does not exist: check its name, and the store that is asked (AWS_ENDPOINT_URL, AWS_DEFAULT_REGION)"),
    (r"UnknownHostException: ([\w.-]+)|Could not resolve host: ([\w.-]+)",
     lambda found: f"no host {found[1] or found[2]} is known here: check the location, and what should know it (the "
     "network, AWS_ENDPOINT_URL; of HDFS the files in HADOOP_CONF_DIR)"),
    (r"Call From \S+ to (\S+) failed|Failed to connect to (\S+) after|NoRouteToHostException: (\S+)",
     lambda found: f"{found[1] or found[2] or found[3]} does not answer: check the location, and whether it can be "
     "reached from here"),
    (r"Permission denied|Read-only file system",
     "what must be read or written may not be: let this user and Spark's workers read the input and write the output"),
    (r"FILE_NOT_EXIST\S* [^\n]*?(file:\S+)|File (file:\S+) does not exist",
     lambda found: f"{(found[1] or found[2]).rstrip('.')} is gone, or not where a worker looks: a plain path must be a "
     "disk that driver and workers share, and whatever is read must stay until the run ends"),
    (r"is bigger than (?:local result size limit )?\S*spark\.driver\.maxResultSize",
     "tasks return more to the driver than it takes: raise spark.driver.maxResultSize"),
    (r"Could not execute broadcast in|Not enough memory to build and broadcast",
     "a small table could not be sent to all executors: give the driver more memory, or set "
     "spark.sql.autoBroadcastJoinThreshold=-1"),
    (r"Unable to load lib(jvm|hdfs)",
     "Arrow can't load Hadoop's client: set JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR (where libhdfs.so lies), and "
     "CLASSPATH to what `hadoop classpath --glob` says, for driver and workers"),
    (r"methods on a stopped SparkContext|SESSION_OR_CONTEXT_NOT_EXISTS", _STOPPED),
    (r"All masters are unresponsive|Could not connect to spark://|Application has been killed",
     "the cluster's master does not answer, or has ended this application: check --master, and the master's log"),
    (r"StatusCode\.UNAVAILABLE|failed to connect to all addresses",
     "the Spark Connect server does not answer: check SPARK_REMOTE, and whether it runs"),
)  # fmt: skip
"""What errors say, and what to say instead, the more telling first: of several that one error has, the first counts."""


def explanation(error: BaseException) -> str | None:
    """Return what to say of an error of Spark, of a worker or of a filesystem; None where nothing better is known."""
    is_of_store = isinstance(error, (OSError, ArrowException)) or type(error).__module__.startswith("botocore")
    if not (is_of_store or _is_of_spark(error)):
        return None
    text = _text(error)
    for pattern, says in _KNOWN:
        if found := re.search(pattern, text, re.MULTILINE):
            line = found.expand(says) if isinstance(says, str) else says(found)
            return f"{error.filename}: {line}" if isinstance(error, OSError) and error.filename else line
    return None


@contextmanager
def explained() -> Iterator[None]:
    """Turn an error that is known into one line.

    Raises:
        DedupError: what is wrong, and what to do. Other errors go through as they are.
    """
    try:
        yield
    except DedupError:
        raise
    except Exception as error:
        line = explanation(error) or _of_session(error)
        if line is None:
            raise
        raise DedupError(line) from error


def _is_of_spark(error: BaseException) -> bool:
    """Return whether an error came through PySpark; the frames of a worker's come last in it."""
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return any(module.split(".")[0] in ("pyspark", "py4j") for module in modules)


def _text(error: BaseException | None) -> str:
    """Return what an error says, and those that it came from: Java's stack is in one of them."""
    told: list[str] = []
    while error is not None and len(told) < 10:
        with suppress(Exception):  # where Java has ended, nobody knows any more what it said
            told.append(str(error) or type(error).__name__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)


def _of_session(error: BaseException) -> str | None:
    """Return what to say where the session has ended, which PySpark may answer with any error."""
    if not _is_of_spark(error):
        return None
    try:
        SparkSession.active().range(1)
    except Exception as gone:  # noqa: BLE001 - that of a session that is no more
        return _JAVA_ENDED if _talks_to_nobody(gone) or _talks_to_nobody(error) else _STOPPED
    return None


def _talks_to_nobody(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) or type(error).__name__ == "Py4JNetworkError"
