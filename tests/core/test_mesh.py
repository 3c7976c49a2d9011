import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgrem_core.mesh import Mesh, cell_edges, fill_nodes, node_count


@st.composite
def meshes_and_blocks(draw):
    shape = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    count = tuple(draw(st.integers(1, min(n, 9))) for n in shape)
    order = draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mesh = Mesh(nodes=rng.normal(size=count) * 10.0, shape=shape, order=order)
    block = []
    for n in shape:
        start = draw(st.integers(0, n - 1))
        block.append(slice(start, draw(st.integers(start + 1, n))))
    return mesh, tuple(block)


@settings(max_examples=150, deadline=None)
@given(meshes_and_blocks())
def test_a_block_has_the_bits_of_the_whole(drawn):
    mesh, block = drawn
    whole = np.asarray(mesh)
    assert whole.shape == mesh.shape
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()
    np.testing.assert_array_equal(
        mesh[block].view(np.uint32), whole[block].view(np.uint32)
    )


@settings(max_examples=60, deadline=None)
@given(meshes_and_blocks())
def test_a_linear_mesh_never_leaves_the_range_of_its_nodes(drawn):
    mesh, _ = drawn
    whole = np.asarray(Mesh(nodes=mesh.nodes, shape=mesh.shape, order=1))
    slack = 1e-5 * np.abs(mesh.nodes).max()
    assert whole.min() >= mesh.nodes.min() - slack
    assert whole.max() <= mesh.nodes.max() + slack


def test_one_node_is_a_constant():
    for order in (1, 3):
        mesh = Mesh(nodes=np.array([[3.25]]), shape=(5, 9), order=order)
        np.testing.assert_array_equal(np.asarray(mesh), np.float32(3.25))


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_gradient_goes_on_to_the_edge(count):
    n = 128
    truth = np.arange(n) * 0.5 + 7
    centres = (np.arange(count) + 0.5) * n / count - 0.5
    nodes = np.tile(np.interp(centres, np.arange(n), truth), (count, 1))
    mesh = Mesh(nodes=nodes, shape=(n, n))
    np.testing.assert_allclose(np.asarray(mesh)[40], truth, atol=1e-4)


def test_the_spline_passes_through_its_nodes():
    rng = np.random.default_rng(0)
    nodes = rng.normal(size=(5, 7))
    mesh = Mesh(nodes=nodes, shape=(5 * 9, 7 * 9))
    np.testing.assert_allclose(np.asarray(mesh)[4::9, 4::9], nodes, atol=1e-6)


@given(st.integers(1, 5000), st.floats(1, 5000))
def test_cells_tile_an_axis_and_none_is_empty(length, scale):
    count = node_count(length, scale)
    edges = cell_edges(length, count)
    assert edges[0] == 0
    assert edges[-1] == length
    assert (np.diff(edges) > 0).all()
    # No cell is larger than one and a half of what was asked.
    assert length / count <= 1.5 * scale + 1


def test_node_count_is_one_where_the_scale_exceeds_the_axis():
    assert node_count(100, 256) == 1
    assert node_count(512, 256) == 2


def test_unknown_nodes_lie_between_the_known_ones():
    nodes = np.full((6, 6), np.nan)
    nodes[0, 0], nodes[5, 5] = 1.0, 3.0
    filled = fill_nodes(nodes)
    assert filled[0, 0] == 1.0
    assert filled[5, 5] == 3.0
    assert ((filled >= 1.0) & (filled <= 3.0)).all()
    assert filled[0, 1] < filled[4, 5]


def test_nodes_of_which_none_is_known_are_zero():
    np.testing.assert_array_equal(fill_nodes(np.full((2, 3), np.nan)), 0.0)
