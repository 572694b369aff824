"""What Spark is started with on one machine: settings, Python and Java, where the user has not named any."""

import os
import platform
import sys
from pathlib import Path

import pytest

from dedup_core.errors import DedupError
from dedup_core.spark.java import how_to_install, java_home
from dedup_core.spark.local_mode import (
    WORKER_THREADS,
    configuration_folder,
    is_local,
    started_with,
    workers_environment,
)

ROOT = Path(__file__).parents[1]
JAVA = {"PATH": os.environ["PATH"]} | {name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ}
PYTHONS = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}


@pytest.fixture
def configured(tmp_path):
    """A function that writes a user's spark-defaults.conf, and returns its folder."""

    def configured(*lines, folder="conf"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "spark-defaults.conf").write_text("\n".join(lines))
        return str(tmp_path / folder)

    return configured


@pytest.fixture
def java(tmp_path):
    """A function that makes a folder with a program ``java`` of some version, and returns it."""

    def java(said, name="java-home"):
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "java").write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        (home / "bin" / "java").chmod(0o755)
        return home

    return java


# Whose Spark


@pytest.mark.parametrize(
    ("environment", "is_ours"),
    [
        ({}, True),
        ({"PYSPARK_SUBMIT_ARGS": "--driver-memory 8g pyspark-shell"}, True),
        ({"PYSPARK_SUBMIT_ARGS": "--master local[2] pyspark-shell"}, True),
        ({"PYSPARK_SUBMIT_ARGS": "--conf spark.master=local --name 'a b' pyspark-shell", "MASTER": "yarn"}, True),
        ({"PYSPARK_SUBMIT_ARGS": "--master yarn pyspark-shell"}, False),
        ({"PYSPARK_SUBMIT_ARGS": "--master=spark://a:7077 pyspark-shell"}, False),
        ({"PYSPARK_SUBMIT_ARGS": "--conf spark.master=k8s://a -c spark.b=c pyspark-shell"}, False),
        ({"PYSPARK_SUBMIT_ARGS": "--remote sc://a pyspark-shell"}, False),
        ({"MASTER": "yarn"}, False),
        ({"SPARK_REMOTE": "sc://a"}, False),
        ({"PYSPARK_GATEWAY_PORT": "4040"}, False),
    ],
    ids=str,
)
def test_a_spark_is_local_where_nobody_has_named_another_master(environment, is_ours):
    assert is_local(environment) is is_ours
    assert (workers_environment(JAVA | environment).get("PYSPARK_PYTHON") == sys.executable) is is_ours


def test_the_users_own_configuration_names_a_master(configured):
    far, near = configured("# mine", "spark.master   yarn"), configured("", "spark.master=local[3]", folder="home/conf")
    assert not is_local({"SPARK_CONF_DIR": far})
    assert is_local({"SPARK_HOME": str(Path(near).parent), "MASTER": "yarn"})
    assert not is_local({"PYSPARK_SUBMIT_ARGS": f"--properties-file {far}/spark-defaults.conf pyspark-shell"})
    assert is_local({"SPARK_CONF_DIR": "/nowhere"})


# What is set


def test_workers_get_this_python_and_one_thread_unless_the_user_says_otherwise():
    threads = dict.fromkeys(WORKER_THREADS, "1")
    assert workers_environment(JAVA) == threads | PYTHONS
    mine = {"PYSPARK_PYTHON": "/my/python", "OMP_NUM_THREADS": "4"}
    wanted = workers_environment(JAVA | mine)
    assert not set(mine) & set(wanted)
    assert wanted["PYSPARK_DRIVER_PYTHON"] == sys.executable
    assert workers_environment(JAVA | {"MASTER": "yarn"}) == threads


def test_dedup_takes_our_settings_of_spark_where_the_user_has_none(configured):
    assert started_with({}, False)["SPARK_CONF_DIR"] == str(ROOT / "conf") == str(configuration_folder())
    for mine in ({"SPARK_CONF_DIR": configured("")}, {"SPARK_HOME": "/opt/spark"}, {"MASTER": "yarn"}):
        assert "SPARK_CONF_DIR" not in started_with(mine, False)


def test_verbose_brings_the_log_of_spark_back():
    assert "DEDUP_LOG_LEVEL" not in started_with({}, False)
    assert started_with({}, True)["DEDUP_LOG_LEVEL"] == "info"


# Java


@pytest.mark.parametrize(
    "said",
    [
        'openjdk version "17.0.18" 2026-01-20',
        'openjdk version "21" 2023-09-19',
        'java version "25.0.1" LTS',
        'x\nversion "17"',
    ],
)
def test_a_java_that_is_new_enough_is_left_as_the_user_has_it(java, said):
    home = java(said)
    assert java_home({"JAVA_HOME": str(home)}, ()) is None
    assert java_home({"PATH": str(home / "bin")}, ()) is None


def test_where_the_users_java_is_too_old_another_one_is_taken(java, tmp_path):
    old, new = java('java version "1.8.0_392"', "old"), java('openjdk version "17.0.1"', "new")
    assert java_home({"JAVA_HOME": str(old), "PATH": str(new / "bin")}, ()) == str(new)
    assert java_home({"PATH": str(old / "bin")}, [f"{tmp_path}/n*"]) == str(new)
    assert java_home({"JAVA_HOME": "/nowhere"}, [f"{tmp_path}/old", f"{tmp_path}/new"]) == str(new)
    assert java_home({}, [f"{tmp_path}/*"]) == str(new)


@pytest.mark.parametrize("environment", [{}, {"PATH": ""}, {"JAVA_HOME": "/nowhere", "PATH": "/nowhere"}], ids=str)
def test_no_java_is_one_line_that_says_how_to_install_one(environment):
    with pytest.raises(DedupError) as missing:
        java_home(environment, ())
    assert str(missing.value) == (
        f"Spark needs Java 17 or newer, and none was found. Install one ({how_to_install()}), or set JAVA_HOME to "
        "where it is"
    )
    assert missing.value.exit_code == 1


def test_a_java_that_is_too_old_is_named(java):
    eight, eleven = java('java version "1.8.0_392"', "eight"), java('openjdk version "11.0.2"', "eleven")
    with pytest.raises(DedupError, match=f"and the newest found is Java 11, in {eleven}. Install one"):
        java_home({"JAVA_HOME": str(eight), "PATH": str(eleven / "bin")}, ())


def test_a_program_that_is_no_java_is_none(java):
    with pytest.raises(DedupError, match="none was found"):
        java_home({"JAVA_HOME": str(java("Unable to locate a Java Runtime."))}, ())


@pytest.mark.parametrize("asked", [{"PYSPARK_GATEWAY_PORT": "4040"}, {"SPARK_REMOTE": "sc://server"}])
def test_java_is_not_asked_for_where_this_process_starts_none(asked):
    assert "JAVA_HOME" not in workers_environment({"JAVA_HOME": "/nowhere", "PATH": ""} | asked)


def test_java_is_left_to_a_configuration_that_may_name_one(configured):
    folder = configured("")
    (Path(folder) / "spark-env.sh").write_text("JAVA_HOME=/opt/java")
    assert "JAVA_HOME" not in workers_environment({"SPARK_CONF_DIR": folder, "JAVA_HOME": "/nowhere", "PATH": ""})


@pytest.mark.parametrize(
    ("system", "release", "words"),
    [
        ("Darwin", {}, "brew install openjdk@17"),
        ("Windows", {}, "winget install EclipseAdoptium.Temurin.17.JDK"),
        ("Linux", {"ID": "ubuntu", "ID_LIKE": "debian"}, "apt-get install openjdk-17-jre-headless"),
        ("Linux", {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install openjdk-17-jre-headless"),
        ("Linux", {"ID": "debian"}, "apt-get install openjdk-17-jre-headless, or openjdk-21-jre-headless"),
        ("Linux", {"ID": "fedora"}, "dnf install java-17-openjdk-headless, or java-21-openjdk-headless"),
        ("Linux", {"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install java-17-openjdk-headless"),
        ("Linux", {"ID": "arch"}, "Java 17 of your distribution, or adoptium.net"),
    ],
    ids=str,
)
def test_how_java_is_installed_is_said_for_this_system(monkeypatch, system, release, words):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert how_to_install().removeprefix("sudo ") == words
