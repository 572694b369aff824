"""The laws of the house, read from the syntax tree: which way imports go, what is no name, what is too long."""

import ast
import functools
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {path.relative_to(ROOT).as_posix(): path for folder in ("dedup_core", "jobs")
         for path in sorted((ROOT / folder).rglob("*.py"))}  # fmt: skip
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

KERNELS = (
    "hamming*", "cosine*", "pairs", "groups", "evaluation", "metrics", "hashing", "popcount", "radix_sort", "compiled",
)  # fmt: skip
BELOW_KERNELS = ("pairs", "compiled", "errors")
LOADED_ON_USE = (
    "tensorflow",
    "keras",
    "numba",
    "matplotlib",
    "pyspark",
    "PIL",
    "scipy",
    "pandas",
    "pydantic",
    "skimage",
)
DRAWERS = {"utils", "misc", "helpers", "common", "handlers"}
LONGEST_FUNCTION, LONGEST_FILE, MOST_ARGUMENTS = 40, 400, 6
SIGNATURES_OF_IMAGEDEDUP = {  # whoever comes from there calls them with these arguments
    (f"dedup_core/{file}.py", name)
    for file in ("cnn_method", "hash_methods")
    for name in ("find_duplicates", "find_duplicates_to_remove")
}


def core_files(pattern="*"):
    """Files right inside dedup_core whose stem matches."""
    return [name for name in TREES if fnmatch(name, f"dedup_core/{pattern}.py") and name.count("/") == 1]


def modules_of(node, file):
    """The modules that an import statement names, those of `from package import module` written out."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = file.removesuffix(".py").split("/")[: -node.level]
        base = ".".join([*package, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []


def is_for_types_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def import_nodes(tree):
    """Every import that runs, wherever it stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not is_for_types_only(node):
            yield from import_nodes(node)


@functools.cache
def imports(file):
    return {module for node in import_nodes(TREES[file]) for module in modules_of(node, file)}


@functools.cache
def imports_on_load(file):
    """What a file imports before any of its functions is called."""
    inside = {id(node) for function in functions(TREES[file]) for node in ast.walk(function)}
    return {module for node in import_nodes(TREES[file]) if id(node) not in inside for module in modules_of(node, file)}


def has(modules, package):
    return any(module == package or module.startswith(f"{package}.") for module in modules)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def docstring_lines(function):
    first = function.body[0]
    is_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return first.end_lineno - first.lineno + 1 if is_text else 0


def length(function):
    return function.end_lineno - function.lineno + 1 - docstring_lines(function)


def arguments(function):
    given = function.args
    named = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")]) + bool(given.vararg) + bool(given.kwarg)


def importers(package):
    return [name for name in TREES if has(imports(name), package)]


# Who imports what


def test_spark_is_imported_in_its_own_folder_and_the_jobs_alone():
    assert [name for name in importers("pyspark") if not name.startswith(("dedup_core/spark/", "jobs/"))] == []


def test_our_spark_code_is_imported_by_itself_and_the_jobs_alone():
    strangers = [name for name in importers("dedup_core.spark") if not name.startswith(("dedup_core/spark/", "jobs/"))]
    assert strangers == []


def test_images_are_opened_in_one_place_and_saved_in_two():
    saves = {"dedup_core/corpus/edits.py", "dedup_core/report/thumbnails.py"}
    decodes = {f"dedup_core/{name}.py" for name in ("picture", "opening", "upright", "deep_images")}
    assert set(importers("PIL")) <= decodes | saves
    opens = [name for name, path in FILES.items() if "Image.open(" in path.read_text(encoding="utf-8")]
    assert opens == ["dedup_core/images/opening.py"]


def test_tensorflow_is_imported_inside_functions_of_cnn_alone():
    assert set(importers("tensorflow")) | set(importers("keras")) <= {"dedup_core/encoders/network.py"}
    assert [
        name for name in TREES if has(imports_on_load(name), "tensorflow") or has(imports_on_load(name), "keras")
    ] == []


def test_nothing_in_the_library_imports_a_job():
    assert [name for name in importers("jobs") if name.startswith("dedup_core/")] == []


def test_jobs_do_not_import_each_other():
    assert [name for name in importers("jobs") if name.startswith("jobs/")] == []


@pytest.mark.parametrize("file", sorted({file for pattern in KERNELS for file in core_files(pattern)}))
def test_a_kernel_imports_nothing_of_ours_but_kernels(file):
    allowed = {f"dedup_core/{name}.py" for name in BELOW_KERNELS} | {
        other for pattern in KERNELS for other in core_files(pattern)
    }
    ours = {module for module in imports(file) if module.startswith("dedup_core.")}
    named = {"/".join(module.split(".")[:2]) + ".py" for module in ours}
    assert named - allowed == set()


def test_all_kernels_are_there():
    missing = [pattern for pattern in KERNELS if not core_files(pattern)]
    assert missing == []


def test_the_package_imports_with_numpy_alone():
    script = "import sys, dedup_core; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).intersection(LOADED_ON_USE) == set()


def test_what_encodes_and_configures_does_not_load_spark_tensorflow_or_figures():
    parts = "attacks, command, config, corpus, encoders, groups, hashing, picture, summary"
    script = f"import sys; from dedup_core import {parts}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).intersection({"pyspark", "tensorflow", "matplotlib", "numba"}) == set()


# What Spark Connect lacks


def test_no_handle_that_spark_connect_lacks():
    forbidden = {"rdd", "sparkContext", "SparkContext", "RDD", "_jvm", "_jdf", "_jsparkSession", "_sc", "_jsc"}
    used = {
        f"{file}:{node.lineno} {name}"
        for file, tree in TREES.items() if file.startswith("dedup_core/spark/")
        for node in ast.walk(tree)
        for name in {getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None)}
        if name in forbidden
    }  # fmt: skip
    assert used == set()


# Names


def test_no_file_is_a_drawer():
    drawers = [name for name, path in FILES.items() if DRAWERS.intersection([path.stem, *path.parent.parts[-1:]])]
    assert set(drawers) <= {"dedup_core/utils.py"}


def test_utils_holds_one_name_of_another_file():
    tree = TREES["dedup_core/utils.py"]
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert imported == ["plot_duplicates"]
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.ImportFrom, ast.Assign}


# Sizes


def test_no_function_is_longer_than_a_screen():
    long = {f"{file}:{function.lineno} {function.name}": length(function) for file, tree in TREES.items()
            for function in functions(tree) if length(function) > LONGEST_FUNCTION}  # fmt: skip
    assert long == {}


def test_no_file_is_longer_than_a_reading():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_no_function_takes_a_crowd_of_arguments():
    crowded = {f"{file}:{function.lineno} {function.name}": arguments(function) for file, tree in TREES.items()
               for function in functions(tree) if arguments(function) > MOST_ARGUMENTS
               and (file, function.name) not in SIGNATURES_OF_IMAGEDEDUP}  # fmt: skip
    assert crowded == {}
