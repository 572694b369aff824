import naive
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup_core.greedy import keepers, remove

EDGES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda edge: edge[0] != edge[1]), max_size=120
)


def arrays(edges):
    return np.array(edges, np.int64).reshape(-1, 2).T


@settings(deadline=None)  # the first call compiles
@given(EDGES)
def test_each_goes_for_the_one_that_the_pass_in_order_keeps(edges):
    keeper = keepers(*arrays(edges), 31)
    told = {image: int(keeper[image]) for image in range(31) if keeper[image] >= 0}
    assert told == naive.greedy_removals(range(31), {tuple(sorted(edge)) for edge in edges})


@settings(deadline=None)
@given(EDGES, st.integers(1, 40))
def test_a_pass_in_pieces_removes_what_one_over_all_does(edges, piece):
    in_order = sorted({tuple(sorted(edge)) for edge in edges})
    gone, went = np.zeros(31, bool), []
    for start in range(0, len(in_order), piece):
        went += remove(*np.ascontiguousarray(arrays(in_order[start : start + piece])), gone).tolist()
    assert sorted(went) == np.flatnonzero(keepers(*arrays(edges), 31) >= 0).tolist() == np.flatnonzero(gone).tolist()
