"""Duplicate maps, connected groups and removals: imagededup's own maps, and the slow answer to each."""

import json

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core import groups
from dedup_core.encoders.hashes import from_hex
from dedup_core.groups import Distinct, components, duplicate_map, expand, removals, removed_positions
from dedup_core.hamming.join import self_join
from dedup_core.metric import COSINE, HAMMING
from dedup_core.pairs import Pairs

FOLDERS = {"mixed_images": "data/imagededup_fixtures/mixed_images/", "photos": "data/photos/"}
GOLDEN = [("mixed_images", threshold) for threshold in (0, 10, 20)] + [("photos", limit) for limit in (6, 10, 16)]


def pairs_of(triples):
    left, right, score = zip(*triples, strict=True) if triples else ((), (), ())
    return Pairs(np.array(left, np.int64), np.array(right, np.int64), np.array(score, np.int16))


@st.composite
def scored_graphs(draw):
    """Names in any order, and scored pairs of their positions."""
    names = draw(st.lists(st.text("abzé/.", min_size=1, max_size=4), unique=True, max_size=9))
    possible = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    chosen = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    return names, [(a, b, draw(st.integers(0, 3))) for a, b in chosen]


@st.composite
def edges_between_positions(draw):
    size = draw(st.integers(1, 12))
    position = st.integers(0, size - 1)
    return size, draw(st.lists(st.tuples(position, position), max_size=20))


def in_order(edges):
    """The edges between different positions, each once, the smaller end first."""
    return sorted({(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]})


# Maps


@pytest.fixture(scope="module")
def codes(shared):
    """{folder: {method: (names, codes)}} from imagededup's own hashes."""
    hashes = json.loads((shared / "golden" / "hashes.json").read_text())

    def of(folder, method):
        files = {file.removeprefix(folder): kinds[method] for file, kinds in hashes.items() if file.startswith(folder)}
        return sorted(files), np.array([from_hex(files[name]) for name in sorted(files)], np.uint64)

    return of


@pytest.mark.parametrize("method", ["phash", "ahash", "dhash", "whash"])
@pytest.mark.parametrize(("folder", "threshold"), GOLDEN)
def test_maps_equal_imagededups_with_scores(shared, codes, folder, method, threshold):
    golden = json.loads((shared / "golden" / "duplicates.json").read_text())[f"{folder}/{method}/{threshold}"]
    names, values = codes(FOLDERS[folder], method)
    found = duplicate_map(names, self_join(values, threshold), HAMMING, scores=True)
    as_golden = {name: sorted([other, score] for other, score in others) for name, others in found.items()}
    if folder == "photos":  # only files that have duplicates were kept there
        as_golden = {name: others for name, others in as_golden.items() if others}
    assert as_golden == golden


@pytest.mark.parametrize(("metric", "sign"), [(HAMMING, 1), (COSINE, -1)])
@given(scored_graphs())
@settings(deadline=None)
def test_a_map_lists_every_duplicate_best_first_ties_by_name(metric, sign, graph):
    names, triples = graph
    found = duplicate_map(names, pairs_of(triples), metric, scores=True)
    expected = naive.map_of_pairs(names, triples, best_first=lambda score: sign * score)
    assert list(found.items()) == list(expected.items())


@given(scored_graphs())
@settings(deadline=None)
def test_a_map_without_scores_has_the_same_names(graph):
    names, triples = graph
    plain, scored = (duplicate_map(names, pairs_of(triples), HAMMING, scores) for scores in (False, True))
    assert plain == {name: [other for other, _ in others] for name, others in scored.items()}


def test_a_map_is_the_same_however_many_entries_are_listed_at_a_time(monkeypatch):
    names, triples = list("dbaec"), [(0, 1, 2), (0, 2, 1), (1, 2, 1), (1, 3, 0), (2, 4, 3)]
    at_once = duplicate_map(names, pairs_of(triples), HAMMING, scores=True)
    monkeypatch.setattr(groups, "_LISTED_AT_A_TIME", 3)
    assert list(duplicate_map(names, pairs_of(triples), HAMMING, scores=True).items()) == list(at_once.items())


def test_scores_in_a_map_are_plain_numbers():
    found = duplicate_map(["a", "b"], pairs_of([(0, 1, 3)]), HAMMING, scores=True)
    assert json.dumps(found) == '{"a": [["b", 3]], "b": [["a", 3]]}'


# Groups


@given(edges_between_positions())
@settings(deadline=None)
def test_a_component_is_named_by_the_smallest_position_it_reaches(graph):
    size, edges = graph
    left, right = (np.array([edge[end] for edge in edges], np.int64) for end in (0, 1))
    reached = naive.connected(edges)
    assert components(left, right, size).tolist() == [reached.get(position, position) for position in range(size)]


def test_components_of_nothing_are_none():
    assert components(np.empty(0, np.int64), np.empty(0, np.int64), 0).tolist() == []


def test_a_repeated_edge_does_not_part_its_ends():
    many = np.zeros(1000, np.int64)  # 256 of them would wrap an 8-bit weight back to zero
    for count in (255, 256, 257, 512):
        assert components(many[:count], many[:count] + 1, 2).tolist() == [0, 0]


def test_a_long_chain_is_one_component():
    chain = np.arange(50_000)
    assert set(components(chain[:-1], chain[1:], 50_000).tolist()) == {0}


# Removals


@given(edges_between_positions())
@settings(deadline=None)
def test_removals_follow_imagededups_walk_over_the_whole_map(graph):
    size, edges = graph
    edges = in_order(edges)
    whole_map = {one: [a + b - one for a, b in edges if one in (a, b)] for one in range(size)}
    assert dict(removals(edges)) == naive.removals_of_map(whole_map)


@given(edges_between_positions())
@settings(deadline=None)
def test_what_is_removed_has_a_keeper_and_what_is_kept_has_no_duplicate_kept(graph):
    _, edges = graph
    edges = in_order(edges)
    removed = dict(removals(edges))
    assert removed.keys().isdisjoint(removed.values())
    assert all((keeper, gone) in edges for gone, keeper in removed.items())
    assert all(a in removed or b in removed for a, b in edges)


def test_of_a_chain_the_ends_stay():
    assert list(removals([("a", "b"), ("b", "c")])) == [("b", "a")]


def test_an_image_is_removed_once():
    assert list(removals([("a", "c"), ("b", "c")])) == [("c", "a")]


def test_of_many_copies_one_stays():
    copies = range(200)
    edges = ((a, b) for a in copies for b in copies if a < b)
    assert list(removals(edges)) == [(copy, 0) for copy in range(1, 200)]


@given(edges_between_positions())
@settings(deadline=None)
def test_removed_positions_are_those_of_the_pass(graph):
    size, edges = graph
    edges = in_order(edges)
    found = removed_positions(pairs_of([(*edge, 1) for edge in edges]), size)
    assert np.flatnonzero(found).tolist() == sorted(naive.greedy_removals(range(size), edges))


# Copies

VALUES = st.lists(st.integers(0, 4), max_size=9)


def distinct(values):
    return Distinct.of(np.array([values.index(value) for value in values], np.int64))


@given(VALUES)
@settings(deadline=None)
def test_copies_are_told_from_what_is_there_first(values):
    found = distinct(values)
    assert [values[position] for position in found.first] == list(dict.fromkeys(values))
    assert [values[found.first[number]] for number in found.number] == values
    assert found.counts.tolist() == [values.count(value) for value in dict.fromkeys(values)]
    pairs = found.copies(np.int16(7))
    expected = [(a, b, 7) for b in range(len(values)) for a in range(b) if values[a] == values[b]]
    assert found.pairs_of_copies == len(expected)
    assert sorted(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.score.tolist(), strict=True)) == sorted(expected)


@given(VALUES, VALUES)
@settings(deadline=None)
def test_pairs_of_values_become_pairs_of_all_positions_that_hold_them(left, right):
    sides = distinct(left), distinct(right)
    kinds = [list(dict.fromkeys(side)) for side in (left, right)]
    chosen = [(a, b, abs(x - y)) for a, x in enumerate(kinds[0]) for b, y in enumerate(kinds[1]) if (x + y) % 2]
    pairs = expand(pairs_of(chosen), *sides)
    expected = [(i, j, abs(x - y)) for i, x in enumerate(left) for j, y in enumerate(right) if (x + y) % 2]
    assert sorted(zip(pairs.left.tolist(), pairs.right.tolist(), pairs.score.tolist(), strict=True)) == expected
    assert (sides[0].counts[[a for a, *_ in chosen]] * sides[1].counts[[b for _, b, _ in chosen]]).sum() == len(
        expected
    )
