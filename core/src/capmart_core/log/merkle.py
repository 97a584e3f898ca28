"""Merkle tree arithmetic (RFC 6962, section 2.1; proofs as verified in RFC 9162, section 2.1).

A *node* ``(level, number)`` names the hash of the perfect subtree over leaves ``number * 2**level`` up to, not
including, ``(number + 1) * 2**level``. A log keeps the hash of every such node; it never changes once its leaves are
there. Everything that is asked of a tree (its root at any size, proofs, tiles) is computed from those hashes through a
:class:`HashReader`, whatever stores them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class Node(NamedTuple):
    """A perfect subtree: ``2**level`` leaves from leaf ``number * 2**level`` on."""

    level: int
    number: int


class HashReader(Protocol):
    """Gives the hashes of nodes, in the order asked for; several at once, so that a store can answer in one go."""

    def __call__(self, nodes: Sequence[Node], /) -> Sequence[bytes]:
        """The hash of each node."""
        ...


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf: ``SHA-256(0x00 || data)``."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: ``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def range_nodes(begin: int, end: int) -> list[Node]:
    """The fewest perfect subtrees that cover leaves ``begin`` up to, not including, ``end``, from left to right."""
    if not 0 <= begin <= end:
        raise ValueError(f"no range of leaves: {begin} to {end}")
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return nodes


@dataclass(frozen=True)
class Frontier:
    """All that must be remembered of a tree to append to it and to know its root: at most 64 hashes.

    Attributes:
        size: leaves so far.
        hashes: of ``range_nodes(0, size)``, largest subtree first.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a frontier of {self.size} leaves has {self.size.bit_count()} hashes")

    def add(self, hashes: Iterable[bytes], *, level: int = 0) -> Self:
        """The frontier after perfect subtrees of ``2**level`` leaves each (leaves when 0) are appended.

        The size must be a multiple of ``2**level``.
        """
        size, kept = self.size, list(self.hashes)
        for added in hashes:
            if size & ((1 << level) - 1):
                raise ValueError(f"a subtree of level {level} cannot follow {size} leaves")
            current, carried = added, size >> level
            while carried & 1:
                current = node_hash(kept.pop(), current)
                carried >>= 1
            kept.append(current)
            size += 1 << level
        return type(self)(size, tuple(kept))

    def extend(self, nodes: Sequence[Node], hashes: Sequence[bytes]) -> Self:
        """The frontier after the subtrees of ``range_nodes(self.size, ...)`` are appended."""
        result = self
        for node, value in zip(nodes, hashes, strict=True):
            if node.number << node.level != result.size:
                raise ValueError(f"{node} does not follow {result.size} leaves")
            result = result.add((value,), level=node.level)
        return result

    def root(self) -> bytes:
        """The root of the tree (RFC 6962, Merkle Tree Hash)."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def new_nodes(first: int, leaves: Sequence[bytes], read: HashReader) -> dict[Node, bytes]:
    """The hashes to store when leaves are appended.

    Args:
        first: index of the first new leaf, the size of the tree before.
        leaves: leaf hashes.
        read: reads what was stored before.

    Returns:
        The leaves' own nodes and every inner node that they complete.
    """
    left = range_nodes(0, first)
    edge = dict(zip(left, read(left), strict=True)) if left else {}
    added: dict[Node, bytes] = {}
    for offset, leaf in enumerate(leaves):
        node, value = Node(0, first + offset), leaf
        added[node] = value
        while node.number & 1:
            sibling = Node(node.level, node.number - 1)
            value = node_hash(added[sibling] if sibling in added else edge[sibling], value)
            node = Node(node.level + 1, node.number >> 1)
            added[node] = value
    return added


def frontier(size: int, read: HashReader) -> Frontier:
    """The frontier of the tree's first ``size`` leaves."""
    nodes = range_nodes(0, size)
    return Frontier(size, tuple(read(nodes)) if nodes else ())


def tree_root(size: int, read: HashReader) -> bytes:
    """The root of the tree's first ``size`` leaves (RFC 6962, section 2.1)."""
    return frontier(size, read).root()


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves (RFC 6962, section 2.1.1, PATH)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    return _hashes_of(_inclusion_ranges(index, size), read)


def consistency_proof(old: int, new: int, read: HashReader) -> list[bytes]:
    """Proof that the tree of ``new`` leaves begins with that of ``old`` (RFC 6962, section 2.1.2, PROOF).

    Empty when ``old`` is 0 or equal to ``new``: there is nothing to prove, or nothing to prove it with.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no tree of {new} follows one of {old}")
    if old in (0, new):
        return []
    return _hashes_of(_consistency_ranges(old, new), read)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows leaf hash ``leaf`` at ``index`` of the tree with ``root`` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    path, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if path & 1 or path == last:
            value = node_hash(sibling, value)
            while not path & 1 and path:
                path, last = path >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        path, last = path >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree with ``new_root`` begins with that of ``old_root`` (RFC 9162, 2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT and new > 0
    if not 0 < old < new or not proof:
        return False
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    path, last = old - 1, new - 1
    while path & 1:
        path, last = path >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if path & 1 or path == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not path & 1 and path:
                path, last = path >> 1, last >> 1
        else:
            second = node_hash(second, step)
        path, last = path >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def reader_of(stored: Mapping[Node, bytes]) -> HashReader:
    """A reader over hashes in memory."""
    return lambda nodes: [stored[node] for node in nodes]


def _split(size: int) -> int:
    """The largest power of two smaller than ``size`` (RFC 6962's k)."""
    return 1 << (size - 1).bit_length() - 1


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    begin, end = 0, size
    ranges: list[tuple[int, int]] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def _consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    begin, end = 0, new
    ranges: list[tuple[int, int]] = []
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:  # otherwise the old tree is a perfect subtree of the new one, and its root is known to the verifier
        ranges.append((begin, end))
    return ranges[::-1]


def _hashes_of(ranges: Sequence[tuple[int, int]], read: HashReader) -> list[bytes]:
    """Merkle Tree Hash of each range, all nodes read in one go."""
    parts = [range_nodes(begin, end) for begin, end in ranges]
    values = iter(read([node for part in parts for node in part]))
    result: list[bytes] = []
    for part in parts:
        hashes = [next(values) for _ in part]
        root = hashes[-1]
        for left in reversed(hashes[:-1]):
            root = node_hash(left, root)
        result.append(root)
    return result
