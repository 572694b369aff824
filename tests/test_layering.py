"""The laws of the house, read from the syntax tree: which way imports go, what is no name, what is too long."""

import ast
import functools
import subprocess
import sys
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
FILES = {path.relative_to(ROOT).as_posix(): path for folder in ("dedup_core", "jobs")
         for path in sorted((ROOT / folder).rglob("*.py"))}  # fmt: skip
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

# The floors of the house, the lowest first: a room imports what lies on floors below its own. A room is a folder; in a
# folder that has folders inside, each file is a room of its own. AGENTS.md says what each is for.
FLOORS = (
    "commands errors jit metric processes",
    "arguments ledger pairs policy relations turns workers",
    "images/opening",
    "images/strips",
    "current holder images/ancillary images/deep images/frames images/losses images/names images/patterns "
    "images/resizing images/shapes images/texts",
    "images/colours images/upright",
    "images/disks images/jpeg_header images/ours images/picture images/unread",
    "images/files images/foreign images/jpeg_kernels images/looks",
    "images/jpeg_averages",
    "images/jpeg",
    "images/decoding",
    "images/thumbnails",
    "groups hamming cosine expansion greedy",
    "local",
    "geometry",
    "filesystems evaluation report corpus verify",
    "encoders plotting",
    "methods settings utils",
    "spark/java spark/stderr spark/exchange spark/explained spark/conditional",
    "spark/local_mode",
    "spark/trees spark/tables spark/session spark/ids spark/copies spark/batches spark/given_arguments spark/results",
    "spark/store spark/sieve spark/search/chunks",
    "spark/published spark/delta",
    "spark/inputs",
    "spark/staging spark/search/given_features spark/settling",
    "spark/encode spark/held spark/publishing spark/locks spark/blocks spark/search/distinct spark/search/groups "
    "spark/search/hubs",
    "spark/runs spark/provenance spark/search/given_embeddings spark/group_blocks spark/search/greedy spark/evidence",
    "spark/verify spark/search/keeping",
    "spark/evaluate spark/report spark/summary spark/search/estimates spark/search/found spark/search/exports",
    "spark/search/proposal spark/search/listing spark/search/allowed",
    "spark/search/cosine spark/search/hamming spark/search/local",
    "spark/search/turned",
    "spark/search/ways",
    "spark/search/geometry",
    "spark/search/find",
    "spark/pipeline spark/given_search",
    "spark/functions",
    "jobs",
    "console",
    "__main__",
    ". images spark spark/search",  # the __init__ of folders that have folders inside
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor.split()}
KERNELS = ("hamming", "cosine", "pairs", "jit")
BELOW_KERNELS = {"pairs", "turns", "jit", "errors"}
LOADED_ON_USE = (
    "tensorflow",
    "onnxruntime",
    "keras",
    "numba",
    "matplotlib",
    "pyspark",
    "PIL",
    "scipy",
    "pandas",
    "pydantic",
    "skimage",
    "cv2",
    "deltalake",
    "obstore",
)
DRAWERS = {"utils", "misc", "helpers", "common", "handlers"}
LONGEST_FUNCTION, LONGEST_FILE, MOST_ARGUMENTS = 40, 400, 6
SIGNATURES_OF_IMAGEDEDUP = {  # whoever comes from there calls them with these arguments
    (f"dedup_core/{file}.py", name)
    for file in ("methods/cnn", "methods/combined", "methods/hashes", "methods/orb")
    for name in ("find_duplicates", "find_duplicates_to_remove")
}


def modules_of(node, file):
    """The modules that an import statement names, those of `from package import module` written out."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = file.removesuffix(".py").split("/")[: -node.level]
        base = ".".join([*package, *([node.module] if node.module else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []


def import_statements(tree):
    """Every import, wherever it stands: inside functions and for types too."""
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


@functools.cache
def imports(file):
    return {module for node in import_statements(TREES[file]) for module in modules_of(node, file)}


@functools.cache
def imports_on_load(file):
    """What a file imports before any of its functions is called."""
    inside = {id(node) for function in functions(TREES[file]) for node in ast.walk(function)}
    return {
        module for node in import_statements(TREES[file]) if id(node) not in inside for module in modules_of(node, file)
    }


LIBRARY = [name for name in TREES if name.startswith("dedup_core/")]
FOLDERS = {PurePosixPath(name).parent for name in LIBRARY}
WITH_FOLDERS = {folder.parent for folder in FOLDERS}


def room_of(file):
    path = PurePosixPath(file)
    is_room = path.parent in WITH_FOLDERS and path.name != "__init__.py"
    return (path.with_suffix("") if is_room else path.parent).relative_to("dedup_core").as_posix()


def file_of(module):
    """The file of ours that a module's name means, if any."""
    path = module.replace(".", "/")
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in TREES), None)


def our_files(node, file):
    """The files of ours that an import statement loads: of `from package import module` that of the module alone."""
    if isinstance(node, ast.Import):
        return {file_of(alias.name) for alias in node.names} - {None}
    base, *members = modules_of(node, file)
    return {file_of(member) or file_of(base) for member in members} - {None}


@functools.cache
def arrows():
    """{(room, room that it imports): where}."""
    places = {}
    for file in LIBRARY:
        for node in import_statements(TREES[file]):
            for other in our_files(node, file):
                if room_of(other) != room_of(file):
                    places.setdefault((room_of(file), room_of(other)), set()).add(f"{file}:{node.lineno}")
    return places


def in_circles(imported):
    """Of {name: the names that it imports}, those that import themselves, directly or through others."""
    return {name for name in imported if name in within_reach(imported, name)}


def within_reach(imported, start):
    """All that a name imports, directly or through others."""
    reached, new = set(), {start}
    while new:
        new = {other for name in new for other in imported.get(name, ())} - reached
        reached |= new
    return reached


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


def test_spark_is_imported_in_its_own_folder_alone():
    assert [name for name in importers("pyspark") if not name.startswith("dedup_core/spark/")] == []


def test_our_spark_code_is_imported_by_itself_the_jobs_and_what_starts_them_alone():
    known = ("dedup_core/spark/", "dedup_core/jobs/", "dedup_core/console/")
    assert [name for name in importers("dedup_core.spark") if not name.startswith(known)] == []


def test_images_are_opened_in_one_place_and_drawn_compared_and_saved_in_few():
    """The verifier opens again what it has itself compressed, and the fast decoder is tried out against Pillow."""
    rooms = {
        "images/resizing": "pillow",
        "images": "picture colours decoding jpeg opening upright deep frames losses looks strips thumbnails",
        "verify": "views levels pixels compression",
        "corpus": "edits originals plain_copies kinds drawn drawing artwork documents fields icons",
        "report": "thumbnails",
    }
    allowed = {f"dedup_core/{room}/{name}.py" for room, names in rooms.items() for name in names.split()}
    assert set(importers("PIL")) <= allowed
    opens = [name for name, path in FILES.items() if "Image.open(" in path.read_text(encoding="utf-8")]
    assert opens == ["dedup_core/images/jpeg.py", "dedup_core/images/opening.py", "dedup_core/verify/compression.py"]


def test_tensorflow_is_imported_inside_functions_of_cnn_alone():
    assert set(importers("tensorflow")) | set(importers("keras")) <= {"dedup_core/encoders/network.py"}
    assert [
        name for name in TREES if has(imports_on_load(name), "tensorflow") or has(imports_on_load(name), "keras")
    ] == []


def test_nothing_in_the_library_imports_a_job():
    known = [importers(package) for package in ("jobs", "dedup_core.jobs")]
    assert known == [[], []]


def test_every_room_has_its_floor():
    rooms = Counter(room for floor in FLOORS for room in floor.split())
    assert [room for room, count in rooms.items() if count > 1] == []
    assert set(rooms) == {room_of(file) for file in LIBRARY}


def test_imports_run_down_from_floor_to_floor():
    """Also those for types only, and those inside functions."""
    assert {
        f"{room} -> {other}": sorted(places)
        for (room, other), places in arrows().items()
        if FLOOR_OF.get(other, -1) >= FLOOR_OF.get(room, len(FLOORS))
    } == {}


def test_no_rooms_import_each_other_in_a_circle():
    rooms = {}
    for room, other in arrows():
        rooms.setdefault(room, set()).add(other)
    assert in_circles(rooms) == set()


def test_no_files_import_each_other_in_a_circle():
    files = {
        file: {other for node in import_statements(TREES[file]) for other in our_files(node, file)} for file in TREES
    }
    assert in_circles(files) == set()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_imports_nothing_of_ours_but_pairs_turns_compiling_and_errors(kernel):
    assert {room for room in FLOOR_OF if room == kernel}
    assert {f"{other}: {sorted(places)}" for (room, other), places in arrows().items()
            if room == kernel and other not in BELOW_KERNELS} == set()  # fmt: skip


def test_votes_are_a_kernel_over_the_hamming_join_and_know_how_codes_are_made():
    allowed = (*sorted(BELOW_KERNELS), "hamming")
    used = {module for module in imports("dedup_core/local/votes.py") if module.startswith("dedup_core.")}
    others = {module for module in used if module.split(".")[1] not in allowed}
    assert {module for module in others if not module.startswith("dedup_core.local.pattern")} == set()


def test_modules_import_modules_and_not_what_a_package_hands_on():
    """A package's names are for those outside: inside, an import says where a thing lives."""
    assert {
        f"{file}:{node.lineno}"
        for file in LIBRARY
        for node in import_statements(TREES[file])
        if any(other.endswith("/__init__.py") for other in our_files(node, file))
    } == set()


def test_the_package_imports_with_numpy_alone():
    script = "import sys, dedup_core; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).intersection(LOADED_ON_USE) == set()


def test_what_encodes_and_configures_does_not_load_spark_tensorflow_or_figures():
    parts = "corpus, encoders, groups, images, methods, metric, settings"
    script = f"import sys; from dedup_core import {parts}; from dedup_core.settings import command; "
    script += "from dedup_core.encoders import registry, orb; from dedup_core.local import features; "
    script += "print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).intersection({"pyspark", "tensorflow", "matplotlib", "numba", "cv2"}) == set()


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


def types_of(tree):
    """The classes of a file, and the names that it gives to types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
    for node in tree.body:
        if isinstance(node, ast.Assign) and not is_type_variable(node.value):
            for target in node.targets:
                if isinstance(target, ast.Name) and not target.id.isupper() and target.id.lstrip("_")[:1].isupper():
                    yield target.id


def is_type_variable(value):
    return isinstance(value, ast.Call) and ast.unparse(value.func) in {"TypeVar", "typing.TypeVar"}


def test_no_two_types_have_one_name():
    places = {}
    for file in LIBRARY:
        for name in types_of(TREES[file]):
            places.setdefault(name, []).append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_every_folder_says_what_it_is_for():
    inits = [f"{folder}/__init__.py" for folder in sorted(FOLDERS)]
    assert [name for name in inits if name not in TREES] == []
    texts = {name: ast.get_docstring(TREES[name]) or "TODO" for name in inits}
    assert [name for name, text in texts.items() if text.startswith("TODO")] == []


def test_the_tree_in_agents_names_every_folder():
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert [str(folder) for folder in sorted(FOLDERS) if f"{folder.name}/" not in text] == []


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


FIRST = """
import importlib, sys
for module in sys.argv[1:]:
    for loaded in [name for name in sys.modules if name.split(".")[0] == "dedup_core"]:
        del sys.modules[loaded]
    importlib.import_module(module)
"""


def test_a_worker_may_import_any_module_of_spark_first():
    """Which it does when it unpickles a function: what a package's __init__ hands on may close a circle then."""
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in LIBRARY
               if name.startswith(("dedup_core/spark/", "dedup_core/verify/"))]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", FIRST, *modules], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
