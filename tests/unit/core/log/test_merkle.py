from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import pymerkle  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.log import (
    EMPTY_ROOT,
    Frontier,
    HashReader,
    Node,
    consistency_proof,
    frontier,
    inclusion_proof,
    leaf_hash,
    new_nodes,
    range_nodes,
    reader_of,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.support.simulated_log import flip

LARGEST = 300

# The tree of certificate-transparency-go's reference vectors: eight leaves, and the root after each of them.
VECTOR_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(index: int) -> bytes:
    return f"leaf {index}".encode()


@cache
def tree() -> tuple[HashReader, list[bytes]]:
    """A tree of LARGEST leaves, and its root at every size by an independent implementation."""
    stored: dict[Node, bytes] = {}
    other = pymerkle.InmemoryTree(algorithm="sha256")
    roots = [EMPTY_ROOT]
    for index in range(LARGEST):
        stored |= new_nodes(index, [leaf_hash(leaf(index))], reader_of(stored))
        other.append_entry(leaf(index))
        roots.append(other.get_root())
    return reader_of(stored), roots


sizes = st.integers(1, LARGEST)
pairs = st.tuples(st.integers(0, LARGEST), st.integers(0, LARGEST)).map(lambda pair: (min(pair), max(pair)))
places = sizes.flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size)))


@pytest.mark.parametrize("size", range(1, 9))
def test_given_the_reference_leaves_then_the_published_roots_come_out(size: int) -> None:
    grown = Frontier().add(leaf_hash(data) for data in VECTOR_LEAVES[:size])
    assert grown.root().hex() == VECTOR_ROOTS[size - 1]


def test_given_no_leaves_then_the_root_is_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == tree_root(0, reader_of({}))


def test_given_every_size_then_the_root_is_that_of_pymerkle() -> None:
    read, roots = tree()
    assert [tree_root(size, read) for size in range(LARGEST + 1)] == roots


@given(pairs)
def test_given_leaves_appended_at_once_or_one_by_one_then_the_stored_hashes_agree(pair: tuple[int, int]) -> None:
    first, last = pair
    read, _ = tree()
    at_once = new_nodes(first, [leaf_hash(leaf(index)) for index in range(first, last)], read)
    assert list(read(list(at_once))) == list(at_once.values())
    complete = {node for node in at_once if (node.number + 1) << node.level <= last}
    assert complete == set(at_once)


@given(pairs)
def test_given_any_range_then_its_nodes_cover_it_without_gap(pair: tuple[int, int]) -> None:
    begin, end = pair
    nodes = range_nodes(begin, end)
    spans = [(node.number << node.level, (node.number + 1) << node.level) for node in nodes]
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert not nodes if begin == end else (spans[0][0], spans[-1][1]) == (begin, end)
    assert len(nodes) <= 2 * LARGEST.bit_length()


@given(pairs)
def test_given_a_frontier_then_it_grows_by_leaves_and_by_subtrees_alike(pair: tuple[int, int]) -> None:
    old, new = pair
    read, roots = tree()
    start = frontier(old, read)
    assert start.root() == roots[old]
    by_leaves = start.add(leaf_hash(leaf(index)) for index in range(old, new))
    rest = range_nodes(old, new)
    assert by_leaves == start.extend(rest, read(rest))
    assert by_leaves.root() == roots[new]


@pytest.mark.parametrize(
    ("size", "count", "level"),
    [(3, 1, 1), (1, 1, 3)],
)
def test_given_a_subtree_that_cannot_follow_then_the_frontier_refuses(size: int, count: int, level: int) -> None:
    read, _ = tree()
    with pytest.raises(ValueError, match="cannot follow"):
        frontier(size, read).add([bytes(32)] * count, level=level)
    with pytest.raises(ValueError, match="does not follow"):
        frontier(4, read).extend([Node(0, 5)], [bytes(32)])
    with pytest.raises(ValueError, match="hashes"):
        Frontier(3, (bytes(32),))


@given(places)
def test_given_any_leaf_then_its_proof_verifies_here_and_is_that_of_pymerkle(place: tuple[int, int]) -> None:
    index, size = place
    read, roots = tree()
    proof = inclusion_proof(index, size, read)
    assert verify_inclusion(index, size, leaf_hash(leaf(index)), proof, roots[size])
    other = pymerkle.InmemoryTree.init_from_entries([leaf(number) for number in range(size)], algorithm="sha256")
    path = [bytes.fromhex(text) for text in other.prove_inclusion(index + 1, size).serialize()["path"]]
    assert path[1:] == proof


@given(places, st.data())
def test_given_a_proof_of_inclusion_changed_anywhere_then_it_fails(place: tuple[int, int], data: st.DataObject) -> None:
    index, size = place
    read, roots = tree()
    proof, root, hashed = inclusion_proof(index, size, read), roots[size], leaf_hash(leaf(index))
    bit = data.draw(st.integers(0, 7))
    assert not verify_inclusion(index, size, flip(hashed, data.draw(st.integers(0, 31)), bit), proof, root)
    assert not verify_inclusion(index, size, hashed, proof, flip(root, data.draw(st.integers(0, 31)), bit))
    assert not verify_inclusion(index, size, hashed, [*proof, bytes(32)], root)
    assert not verify_inclusion(size, size, hashed, proof, root)
    assert not verify_inclusion(-1, size, hashed, proof, root)
    if proof:
        which = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(index, size, hashed, _changed(proof, which), root)
        assert not verify_inclusion(index, size, hashed, proof[:-1], root)
        assert not verify_inclusion(index ^ 1, size, hashed, proof, root)


@given(pairs)
def test_given_any_two_sizes_then_the_proof_of_consistency_verifies(pair: tuple[int, int]) -> None:
    old, new = pair
    read, roots = tree()
    assert verify_consistency(old, new, roots[old], roots[new], consistency_proof(old, new, read))


@given(pairs.filter(lambda pair: 0 < pair[0] < pair[1]), st.data())
def test_given_a_proof_of_consistency_changed_anywhere_then_it_fails(
    pair: tuple[int, int], data: st.DataObject
) -> None:
    old, new = pair
    read, roots = tree()
    proof = consistency_proof(old, new, read)
    which = data.draw(st.integers(0, len(proof) - 1))
    assert not verify_consistency(old, new, roots[old], roots[new], _changed(proof, which))
    assert not verify_consistency(old, new, roots[old], roots[new], proof[:-1])
    assert not verify_consistency(old, new, roots[old], roots[new], [*proof, bytes(32)])
    assert not verify_consistency(old, new, flip(roots[old], 0), roots[new], proof)
    assert not verify_consistency(old, new, roots[old], flip(roots[new], 0), proof)
    assert not verify_consistency(new, old, roots[new], roots[old], proof)


def test_given_equal_or_empty_trees_then_only_the_empty_proof_is_right() -> None:
    _, roots = tree()
    assert verify_consistency(5, 5, roots[5], roots[5], [])
    assert not verify_consistency(5, 5, roots[5], roots[6], [])
    assert not verify_consistency(5, 5, roots[5], roots[5], [bytes(32)])
    assert verify_consistency(0, 5, EMPTY_ROOT, roots[5], [])
    assert not verify_consistency(0, 5, roots[1], roots[5], [])
    assert not verify_consistency(2, 5, roots[2], roots[5], [])


def test_given_numbers_that_name_no_tree_then_they_are_refused() -> None:
    read, _ = tree()
    with pytest.raises(ValueError, match="no range"):
        range_nodes(3, 2)
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(5, 5, read)
    with pytest.raises(ValueError, match="no tree"):
        consistency_proof(3, 2, read)


def _changed(proof: Sequence[bytes], which: int) -> list[bytes]:
    return [flip(step, 7) if place == which else step for place, step in enumerate(proof)]
