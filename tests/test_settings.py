"""Settings: default under file under option, and every mistake answered in one line that says what to do."""

import inspect
import json
import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dedup_core.errors import SettingsError
from dedup_core.settings.layers import option, resolve
from dedup_core.settings.settings import EncodeSettings, FindSettings, JobSettings, PipelineSettings

CONF = Path(__file__).parents[1] / "conf" / "dedup.yaml"
NEEDED = {"input": "photos", "output": "tables"}
KINDS = [
    kind for _, kind in inspect.getmembers(inspect.getmodule(JobSettings), inspect.isclass)
    if issubclass(kind, JobSettings) and kind.__module__ == JobSettings.__module__
]  # fmt: skip
FIELDS = {name: field for kind in KINDS for name, field in kind.model_fields.items()}


@pytest.fixture
def settings_file(tmp_path):
    """A function that writes a configuration file and returns its path."""

    def write(text):
        (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
        return str(tmp_path / "my.yaml")

    return write


def needed_by(kind):
    return {name: value for name, value in NEEDED.items() if name in kind.model_fields}


def complaint(options, config_file=None, kind=PipelineSettings):
    with pytest.raises(SettingsError) as caught:
        resolve(kind, options, config_file)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    return message


# Layers


def test_without_file_and_options_defaults_hold():
    resolved = resolve(PipelineSettings, NEEDED)
    assert (resolved.method, resolved.max_distance_threshold, resolved.min_similarity_threshold) == (
        ("phash",),
        10,
        0.9,
    )


def test_a_file_wins_over_a_default(settings_file):
    assert resolve(PipelineSettings, NEEDED, settings_file("max_distance_threshold: 4")).max_distance_threshold == 4


def test_an_option_wins_over_a_file(settings_file):
    chosen = NEEDED | {"max_distance_threshold": "6"}
    assert resolve(PipelineSettings, chosen, settings_file("max_distance_threshold: 4")).max_distance_threshold == 6


def test_an_option_that_says_no_wins_over_a_file_that_says_yes(settings_file):
    assert resolve(PipelineSettings, NEEDED | {"overwrite": False}, settings_file("overwrite: true")).overwrite is False


def test_a_right_option_hides_a_wrong_line(settings_file):
    chosen = NEEDED | {"max_distance_threshold": "6"}
    assert resolve(PipelineSettings, chosen, settings_file("max_distance_threshold: 99")).max_distance_threshold == 6


def test_a_file_may_give_what_is_required(settings_file):
    assert resolve(PipelineSettings, {}, settings_file("input: photos\noutput: tables")).output == "tables"


def test_settings_of_another_job_are_passed_over(settings_file):
    resolved = resolve(EncodeSettings, NEEDED, settings_file("max_distance_threshold: 4\nreuse: false"))
    assert resolved.reuse is False


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "{}"])
def test_an_empty_file_changes_nothing(settings_file, text):
    assert resolve(PipelineSettings, NEEDED, settings_file(text)) == resolve(PipelineSettings, NEEDED)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"method": "dhash,phash"}, ""), ({"method": " dhash , phash,"}, ""), ({}, "method: [dhash, phash]"),
     ({}, "method: dhash,phash"), ({"method": "dhash,phash,dhash"}, "")],
)  # fmt: skip
def test_methods_are_a_list_however_they_are_written(settings_file, options, text):
    assert resolve(PipelineSettings, NEEDED | options, settings_file(text)).method == ("dhash", "phash")


# Mistakes


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_distance_threshold", "65", "must be less than or equal to 64 (got '65')"),
        ("max_distance_threshold", "-1", "must be greater than or equal to 0 (got '-1')"),
        ("max_distance_threshold", "10.5",
         "must be a whole number (got '10.5')"),
        ("max_distance_threshold", "ten", "must be a whole number (got 'ten')"),
        ("min_similarity_threshold", "1.01", "must be less than or equal to 1 (got '1.01')"),
        ("min_similarity_threshold", "-1.01", "must be greater than or equal to -1 (got '-1.01')"),
        ("max_failed_share", "2", "must be less than or equal to 1 (got '2')"),
        ("max_pixels", "0", "must be greater than or equal to 1 (got '0')"),
        ("images_per_task", "0", "must be greater than or equal to 1 (got '0')"),
        ("checkpoint_seconds", "0", "must be greater than 0 (got '0')"),
        ("orientation", "up", "must be 'stored' or 'exif' (got 'up')"),
        ("input_format", "cvs", "must be 'auto', 'images', 'text', 'csv' or 'parquet' (got 'cvs')"),
        ("recursive", "perhaps", "must be true or false (got 'perhaps')"),
        ("search", "fast", "must be 'exact' or 'clustered' (got 'fast')"),
        ("search", "clustered",
         "'clustered' needs the method cnn or onnx (phash: always searched exactly): add cnn or onnx to --method, or "
         "take 'exact'"),
        ("cells", "0", "must be greater than or equal to 1 (got '0')"),
        ("cells", "8193", "must be less than or equal to 8192 (got '8193')"),
        ("margin", "-0.1", "must be greater than or equal to 0 (got '-0.1')"),
        ("margin", "2.1", "must be less than or equal to 2 (got '2.1')"),
        ("method", "phsh", "unknown method 'phsh': did you mean 'phash'?"),
        ("method", "", "name at least one of: phash, ahash, dhash, whash, cnn, onnx, orb, combined (got '')"),
        ("method", ",", "name at least one of: phash, ahash, dhash, whash, cnn, onnx, orb, combined (got ',')"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named_with_what_would_be_right(name, value, message):
    assert complaint(NEEDED | {name: value}) == f"{option(name)}: {message}"


@pytest.mark.parametrize("kind", [FindSettings, PipelineSettings])
@pytest.mark.parametrize("method", ["cnn", "phash,cnn"])
def test_embeddings_may_be_searched_in_cells_beside_hashes(kind, method):
    chosen = needed_by(kind) | {"method": method, "search": "clustered", "cells": "40", "margin": "0.2"}
    resolved = resolve(kind, chosen)
    assert (resolved.search, resolved.cells, resolved.margin) == ("clustered", 40, 0.2)


def test_turns_are_of_hashes_alone():
    assert complaint(NEEDED | {"method": "cnn", "orientations": "true"}) == (
        "--orientations: needs a hash (phash, ahash, dhash, whash): cnn has no turns to compare (got 'true')"
    )
    assert resolve(PipelineSettings, NEEDED | {"method": "cnn,dhash", "orientations": True}).orientations
    assert resolve(PipelineSettings, NEEDED | {"method": "combined", "orientations": True}).orientations


@pytest.mark.parametrize(
    ("named", "encoded"),
    [
        ("combined", ("phash", "orb")),
        ("phash,combined", ("phash", "orb")),
        ("combined,dhash,cnn", ("dhash", "cnn", "orb")),
    ],
)
def test_combined_always_takes_the_proposals_of_keypoints(named, encoded):
    resolved = resolve(PipelineSettings, NEEDED | {"method": named})
    assert resolved.encoded == resolved.encoded_together == encoded


def test_hashes_that_nobody_judges_may_be_of_other_images():
    assert resolve(PipelineSettings, NEEDED | {"method": "phash,dhash"}).encoded_together == ()
    assert resolve(PipelineSettings, NEEDED | {"method": "phash,orb"}).encoded_together == ("orb",)


def test_an_unknown_method_is_one_mistake_in_a_clustered_search_too():
    assert complaint(NEEDED | {"method": "cn", "search": "clustered"}).count("--") == 1


@pytest.mark.parametrize("name", ["min_similarity_threshold", "max_failed_share", "checkpoint_seconds", "margin"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_finite_number_is_refused(name, value):
    assert complaint(NEEDED | {name: value}).startswith(f"{option(name)}: ")


@pytest.mark.parametrize("name", ["input", "output"])
def test_an_empty_path_is_refused(name):
    assert complaint(NEEDED | {name: ""}).startswith(f"--{name}: ")


def test_what_is_required_is_asked_for():
    assert complaint({}) == "--output is required; --input is required"


def test_a_wrong_line_is_named_with_its_file(settings_file):
    path = settings_file("max_distance_threshold: 70\nrecursive: perhaps")
    assert complaint(NEEDED, path) == (
        f"max_distance_threshold in {path}: must be less than or equal to 64 (got 70); "
        f"recursive in {path}: must be true or false (got 'perhaps')"
    )


def test_a_truth_value_is_no_number(settings_file):
    path = settings_file("max_distance_threshold: true")
    assert complaint(NEEDED, path) == f"max_distance_threshold in {path}: must be a number (got True)"


def test_a_misspelt_setting_is_answered_with_the_nearest(settings_file):
    path = settings_file("max_distanse_threshold: 4")
    assert complaint(NEEDED, path) == (
        f"unknown setting 'max_distanse_threshold' in {path}: did you mean 'max_distance_threshold'?"
    )


def test_a_misspelt_setting_of_another_job_is_found_too(settings_file):
    path = settings_file("recursiv: true")
    assert complaint({"output": "tables"}, path, FindSettings) == (
        f"unknown setting 'recursiv' in {path}: did you mean 'recursive'?"
    )


@pytest.mark.parametrize(("key", "shown"), [("zzz", "'zzz'"), ("1", "1")])
def test_a_setting_like_no_other_is_answered_with_all(settings_file, key, shown):
    path = settings_file(f"{key}: 4")
    assert complaint(NEEDED, path).startswith(f"unknown setting {shown} in {path}: known: cells, checkpoint_seconds, ")


@pytest.mark.parametrize("text", ["- a\n- b", "phash", "3", "[]", "false"])
def test_a_file_of_another_shape_is_refused(settings_file, text):
    path = settings_file(text)
    assert complaint(NEEDED, path) == f"the configuration file {path} must hold 'name: value' lines"


def test_a_file_that_is_no_yaml_is_refused_in_one_line(settings_file):
    path = settings_file("method: [phash\nscores: true")
    assert complaint(NEEDED, path).startswith(
        f"can't read the configuration file {path}: while parsing a flow sequence"
    )


def test_a_missing_file_is_named(tmp_path):
    path = str(tmp_path / "my.yaml")
    assert complaint(NEEDED, path) == (
        f"can't read the configuration file {path}: [Errno 2] No such file or directory: '{path}'"
    )


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    assert complaint(NEEDED, str(tmp_path)).startswith(f"can't read the configuration file {tmp_path}: [Errno 21]")


# A file by somebody who means harm, or whose editor does

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]\n" for above, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("scores: true\nmax_pairs: 3\nscores: false", "'scores' stands there twice"),
        ("method: [{a: 1, b: 2, a: 3}]", "'a' stands there twice"),
        ("edits: {all: 1, 'all': 2}", "'all' stands there twice"),
        ("max_pairs: 2024-13-45", "'2024-13-45' can't be read: month must be in 1..12"),
        ("max_pairs: 2001-12-14t21:59:43.10-99:99", "'2001-12-14t21:59:43.10-99:99' can't be read: "),
        ("method: " + "[" * 50_000, "is nested too deep"),
        ("method: " + "{a: " * 5_000, "is nested too deep"),
        ("- " * 5_000, "is nested too deep"),
        ("? " * 5_000, "is nested too deep"),
        ("max_pairs: " + "9" * 5_000, "is too long for a number"),
        ("max_pairs: 0x" + "f" * 50_000, "is too long for a number"),
        ("max_pairs: " + "1:" * 20_000 + "1", "is too long for a number"),
        ("max_failed_share: 0." + "1" * 5_000, "is too long for a number"),
        ("max_pairs: 0b_", "'0b_' can't be read: "),
        ("output: a\0b", "character 10 is '\\x00', which no YAML file may hold"),
        ("output: a\x1bb", "character 10 is '\\x1b', which"),
        ('output: "a\\0b"', "'a\\x00b' holds a character that no text may hold"),
        ('output: "a\\udcffb"', "'a\\udcffb' holds a character that no text may hold"),
        ('output: "a\\uD83Db"', "'a\\ud83db' holds a character that no text may hold"),
        ('"a\\0": 1', "holds a character that no text may hold"),
        ('output: "\\U00110000"', ""),
        (LAUGHS, "found *a: an alias is not taken, write the value out"),
        ("method: &m [*m]", "found *m: an alias is not taken, write the value out"),
        ("<<: {scores: true}", "unknown setting '<<'"),
        ("output: !!python/object:os.system {}", "found !!python/object:os.system: a tag is not taken"),
        ("!!python/object/apply:os.system [ls]", "a tag is not taken"),
        ("max_pairs: !!int x", "found !!int: a tag is not taken"),
        ("scores: !!bool maybe", "found !!bool: a tag is not taken"),
        ("output: !!timestamp never", "found !!timestamp: a tag is not taken"),
        ("output: ! x", "found !: a tag is not taken"),
        ("? [a, b]\n: 1", "found unhashable key"),
        ("? {a: b}\n: 1", "found unhashable key"),
        ("%YAML 1." + "9" * 5_000 + "\n---\na: 1", ""),
        ("scores: true\n---\nscores: false", "expected a single document"),
        ("scores: true\n\tmax_pairs: 3", "found character '\\t' that cannot start any token"),
        ("#" * 2_000_000, "is larger than the 65,536 bytes that settings may take"),
    ],
    ids=lambda value: value[:24].encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_file_that_holds_what_no_setting_is_is_refused_in_one_short_line(settings_file, text, what):
    path = settings_file(text)
    message = complaint(NEEDED, path)
    assert path in message
    assert what in message
    assert len(message) < 1_200


def test_a_line_that_is_no_setting_is_named_by_its_number(settings_file):
    path = settings_file("scores: true\nmax_pairs: 3\nscores: false")
    assert complaint(NEEDED, path) == (
        f"can't read the configuration file {path}: 'scores' stands there twice, in line 3"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("output: " + "x" * 30_000 + "\nmax_pairs: " + "y" * 30_000, "(got 'yyyy"),
        ("method: " + "z" * 30_000, "unknown method 'zzzz"),
        ("method: [" + "{}, " * 10_000 + "]", "; and 9,996 more"),
        ("m" * 900 + ": 1", "unknown setting 'mmmm"),
        ('"m\\nx": 1', "unknown setting 'm\\nx'"),
        ("input_format: " + "[" * 8 + "x" + "]" * 8, "(got [[[[[[[['x'"),
        ("checkpoint_seconds: 1.0e+999", "must be a finite number"),
    ],
    ids=lambda value: value[:24].encode("unicode_escape").decode(),
)  # fmt: skip
def test_a_wrong_value_is_told_in_a_short_line_however_long_it_is(settings_file, text, what):
    told = outcome(NEEDED, settings_file(text))
    assert what in told
    assert len(told.splitlines()) == 1
    assert len(told) < 1_500


def test_a_long_option_is_told_in_a_short_line():
    assert len(complaint(NEEDED | {"max_pairs": "9" * 30_000, "method": "z" * 30_000})) < 1_000


def test_text_beyond_the_first_plane_is_read_as_json_writes_it(settings_file):
    assert resolve(PipelineSettings, NEEDED, settings_file(json.dumps({"cnn_model": "😀"}))).cnn_model == "😀"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfscores: true\r\n", b"scores: true\r\n"])
def test_a_file_of_windows_is_read(tmp_path, content):
    (tmp_path / "my.yaml").write_bytes(content)
    assert resolve(PipelineSettings, NEEDED, str(tmp_path / "my.yaml")).scores is True


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_file_in_another_encoding_is_refused_with_what_to_do(tmp_path, encoding):
    (tmp_path / "my.yaml").write_bytes("output: Küche".encode(encoding))
    message = complaint(NEEDED, str(tmp_path / "my.yaml"))
    assert message.startswith(f"can't read the configuration file {tmp_path}/my.yaml: ")
    assert message.endswith("save it as UTF-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero", "/dev/stdin"):
        if not os.path.isfile(path):
            assert complaint(NEEDED, path) == f"can't read the configuration file {path}: it is no regular file"


def test_a_file_of_many_lines_is_refused_quickly(settings_file):
    started = time.monotonic()
    texts = ["x: 1\n" * 12_000, "x" * 60_000, "- " + "x, " * 20_000, "'" + "\n" * 60_000, "{" * 10 + "a: " * 20_000]
    for text in texts:
        complaint(NEEDED, settings_file(text))
    assert time.monotonic() - started < 30


@given(st.text(st.sampled_from("a:-?[]{}&*!|>%@'\"\\ \n\t0.x_1,#<\u2028\x85\ufeff"), max_size=40))
@settings(deadline=None)
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(outcome(NEEDED, str(path)).splitlines()) == 1


def outcome(values, config_file=None):
    try:
        return repr(resolve(PipelineSettings, values, config_file))
    except SettingsError as error:
        return str(error)


ANY_VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text("a,9.-\n\0"), st.lists(st.text("a,\n"), max_size=3)
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), ANY_VALUE, max_size=4))
@settings(deadline=None)
def test_any_value_is_accepted_or_refused_in_one_line(values):
    assert len(outcome(NEEDED | values).splitlines()) == 1


# What a run is


def test_settings_never_change():
    with pytest.raises(ValidationError, match="frozen"):
        resolve(PipelineSettings, NEEDED).scores = True


# conf/dedup.yaml


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_shipped_file_holds_the_defaults(kind):
    assert resolve(kind, needed_by(kind), str(CONF)) == kind(**needed_by(kind))


def test_the_shipped_file_misses_no_setting_and_has_no_other():
    lines = yaml.safe_load(CONF.read_text(encoding="utf-8"))
    assert set(lines) == {name for name, field in FIELDS.items() if not field.is_required()}


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.is_required()])
def test_the_shipped_file_shows_what_has_no_default_as_a_comment(name):
    assert f"\n# {name}: " in CONF.read_text(encoding="utf-8")


def test_every_line_of_the_shipped_file_has_a_comment_above():
    lines = CONF.read_text(encoding="utf-8").splitlines()
    bare = [line for above, line in zip(["", *lines], lines, strict=False) if line[:1].isalpha() and above[:1] != "#"]
    assert bare == []


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_says_what_it_means(name):
    assert FIELDS[name].description.endswith(".")
