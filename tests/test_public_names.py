"""Every public name says what it takes and what it returns."""

import dataclasses
import importlib
import inspect
import re

import pytest

from docs import llms

SECTION = re.compile(r"^(Args|Returns|Attributes):\n((?: +.*\n|\n)*)", re.MULTILINE)


def described():
    """Each public function and class, and each public method of such a class that is written in our code."""
    for package, short, what in llms.public_names():
        name = f"{package}.{short}"
        yield name, what
        if inspect.isclass(what):
            for method, function in inspect.getmembers(what, inspect.isfunction):
                if not method.startswith("_") and function.__module__.startswith("dedup_core"):
                    yield f"{name}.{method}", function


NAMES = dict(described())


def sections(what):
    return dict(SECTION.findall(inspect.getdoc(what) + "\n"))


def referred(what):
    """The other public ones that a docstring names, which say the rest: ``PHash.encode_image``."""
    named = re.findall(r"`([\w.]+)`", inspect.getdoc(what))
    return [NAMES[name] for name in NAMES if any(name.endswith(f".{other}") for other in named)]


def told_by(what):
    """Its own docstring's sections, those of the classes that it extends, and those of what it refers to."""
    kinds = [kind for kind in (what.__mro__ if inspect.isclass(what) else [what]) if kind.__doc__]
    return [sections(each) for each in [*kinds, *referred(what)]]


def untold(what):
    """The parameters that are named nowhere under ``Args``."""
    texts = [told.get("Args", "") for told in told_by(what)]
    given = [name for name in inspect.signature(what).parameters if name not in ("self", "cls")]
    lacks = [name for name in given if not any(re.search(rf"^ +\**{name}\b", text, re.MULTILINE) for text in texts)]
    return [f"Args: {name}" for name in lacks]


def fields(kind):
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(getattr(kind, "_fields", ()))


def missing(what):
    """What a docstring leaves out."""
    if not what.__doc__:
        return ["a docstring"]
    if inspect.isclass(what):
        text = sections(what).get("Attributes", "")
        untold_fields = [name for name in fields(what) if not re.search(rf"^ +{name}\b", text, re.MULTILINE)]
        is_error = issubclass(what, Exception)
        return [f"Attributes: {name}" for name in untold_fields] if fields(what) or is_error else untold(what)
    returns = inspect.signature(what).return_annotation not in (None, "None")
    says_what = inspect.getdoc(what).startswith("Return ") or any("Returns" in told for told in told_by(what))
    return untold(what) + (["Returns"] if returns and not says_what else [])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_says_what_it_takes_and_returns(name):
    assert missing(NAMES[name]) == []


FOLDERS = ("encode.tasks", "evaluate.truth")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_of_spark_goes_before_the_folder_of_its_name(folder):
    """In whatever order they are loaded: the folder is imported from, and nobody gets it for the function."""
    spark = importlib.import_module("dedup_core.spark")
    function, module = folder.split(".")
    told = {}
    exec(f"from dedup_core.spark.{function} import {module} as imported", told)
    assert told["imported"] is importlib.import_module(f"dedup_core.spark.{folder}")
    assert inspect.isfunction(getattr(spark, function))
    with pytest.raises(ImportError):
        exec(f"import dedup_core.spark.{folder} as imported", {})
