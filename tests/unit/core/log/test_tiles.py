from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capmart_core.errors import InvalidIdentifier, TooLarge
from capmart_core.log import (
    FrameParser,
    Frontier,
    HashReader,
    Node,
    Tile,
    TileReader,
    frontier,
    leaf_hash,
    new_bundles,
    new_nodes,
    new_tiles,
    pack_entries,
    range_nodes,
    reader_of,
    tile_bytes,
    tiles_of,
    unpack_entries,
)
from capmart_core.log.tiles import exists

LARGEST = 66_000  # reaches level 2

tiles = st.builds(
    Tile,
    st.one_of(st.integers(0, 7), st.just("entries")),
    st.one_of(st.integers(0, 2000), st.integers(0, 2**53)),
    st.integers(1, 256),
)


@cache
def stored() -> HashReader:
    return reader_of(new_nodes(0, [leaf_hash(b"%d" % index) for index in range(LARGEST)], reader_of({})))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile("entries", 0), "tile/entries/000"),
        (Tile("entries", 1000, 1), "tile/entries/x001/000.p/1"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
    ],
)
def test_given_the_examples_of_the_specification_then_paths_are_spelled_so(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


def test_given_the_size_of_the_specifications_example_then_its_tiles_are_these() -> None:
    found = list(tiles_of(70_000))
    assert found[:273] == [Tile(0, number) for number in range(273)]
    assert found[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(tiles)
def test_given_any_tile_when_spelled_and_parsed_then_it_is_equal(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/1",
        "tile/00/001",
        "tile/8/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/x000/001",
        "tile/0/../000",
        "tile/entry/000",
        "tile/0/x001",
        "tile/0/000/",
        "tile/-1/000",
        "tile/0/٠٠٠",
        "/tile/0/000",
    ],
)
def test_given_a_path_that_is_no_tiles_then_it_is_refused(path: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Tile.parse(path)


@given(st.text(max_size=40))
def test_given_any_text_then_a_tile_with_that_path_or_our_error_comes_out(text: str) -> None:
    try:
        tile = Tile.parse(f"tile/{text}")
    except InvalidIdentifier:
        return
    assert tile.path == f"tile/{text}"


@given(st.integers(0, LARGEST), st.integers(0, 600))
def test_given_a_log_that_grows_then_old_and_new_tiles_together_are_all_its_tiles(old: int, more: int) -> None:
    new = min(old + more, LARGEST)
    added = set(new_tiles(old, new))
    kept = {tile for tile in tiles_of(old) if exists(tile, new) and tile.width == 256}
    assert added.isdisjoint(kept)
    partial = {tile for tile in tiles_of(old) if tile in set(tiles_of(new)) and tile.width < 256}
    assert added | kept | partial == set(tiles_of(new))
    assert all(exists(tile, new) and not exists(tile, old) for tile in added)
    bundles = list(new_bundles(old, new))
    assert [bundle._replace(level=0) for bundle in bundles] == bottom_tiles(old, new)


def bottom_tiles(old: int, new: int) -> list[Tile]:
    return [tile for tile in new_tiles(old, new) if tile.level == 0]


@given(st.integers(1, LARGEST), st.data())
def test_given_nothing_but_tiles_then_any_root_is_computed_from_them(size: int, data: st.DataObject) -> None:
    asked: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        asked.append(tile)
        assert exists(tile, size)
        content = tile_bytes(tile, stored())
        assert len(content) == 32 * tile.width
        return content

    read = TileReader(size, fetch)
    part = data.draw(st.integers(0, size))
    rest = range_nodes(part, size)
    assert frontier(part, read) == frontier(part, stored())
    assert frontier(part, read).extend(rest, read(rest)).root() == frontier(size, stored()).root()
    assert set(asked) <= set(tiles_of(size))
    assert len(set(asked)) <= 6


@pytest.mark.parametrize("content", [b"", bytes(32 * 111), bytes(32 * 113)])
def test_given_a_tile_of_the_wrong_length_then_its_hashes_are_not_read(content: bytes) -> None:
    with pytest.raises(ValueError, match="does not have"):
        TileReader(70_000, lambda _: content)([Node(0, 273 * 256 + 5)])


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 50))
def test_given_entries_when_packed_and_cut_anywhere_then_they_come_out_whole(entries: list[bytes], cut: int) -> None:
    bundle = pack_entries(entries)
    assert unpack_entries(bundle) == entries
    parser = FrameParser(2, 65_535)
    found = [entry for place in range(0, len(bundle), cut) for entry in parser.feed(bundle[place : place + cut])]
    assert found == entries
    assert parser.pending == 0


def test_given_frames_beyond_the_bounds_then_they_are_refused() -> None:
    with pytest.raises(TooLarge):
        pack_entries([bytes(65_536)])
    with pytest.raises(ValueError, match="ends inside"):
        unpack_entries(b"\x00\x05abc")
    with pytest.raises(TooLarge):
        list(FrameParser(4, 100).feed(b"\xff\xff\xff\xff"))


def test_given_the_largest_log_then_its_frontier_is_small() -> None:
    assert len(Frontier(2**63 - 1, (bytes(32),) * 63).hashes) == 63
