"""The other side of a follower: a real signed log in memory, served over real HTTP, that can be told to misbehave.

Everything is built with the core's own arithmetic; misbehaviour is done to the bytes that leave, never to the outcome.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import zstandard
from pydantic import TypeAdapter

from capmart_core.errors import NotFound
from capmart_core.identifiers import digest_of
from capmart_core.log import (
    Checkpoint,
    Node,
    Tile,
    encode_entry,
    leaf_hash,
    new_nodes,
    pack_entries,
    reader_of,
    sign_checkpoint,
    tile_bytes,
    tree_root,
    unpack_entries,
)
from capmart_core.log.tiles import exists
from capmart_core.signing import Ed25519Signer, Signer, sign_statement
from capmart_core.statements import Entry, EntryEnvelope, Statement, as_json
from capmart_core.text import Text
from capmart_core.times import now_utc

ORIGIN = "center.zhejiang.example"
REASON = Text(zh="原因", en="a reason")
_statements: TypeAdapter[Statement] = TypeAdapter(Statement)


def statement(op: str, *, home: str = ORIGIN, **fields: Any) -> Statement:
    """A statement with every field that its kind needs and the caller does not give."""
    given: dict[str, Any] = {"op": op, "home": home, "at": datetime(2026, 3, 1, tzinfo=UTC), **fields}
    if "component" in fields:
        body = f"{fields['component']}@{fields.get('version', '1.0.0')}"
        defaults = {
            "version": "1.0.0",
            "digest": digest_of(f"package of {body}".encode()),
            "config": digest_of(f"manifest of {body}".encode()),
            "kind": "tool",
            "industries": ("30",),
            "scenarios": (),
            "seq": 1,
        }
        given = {**defaults, **given}
    if op in ("yank", "deprecate", "quarantine", "recall", "takedown", "delist"):
        given.setdefault("reason", REASON)
    if op == "recall":
        given.setdefault("deadline", datetime(2026, 12, 31, tzinfo=UTC))
    return _statements.validate_python(given)


def entry(envelope: EntryEnvelope) -> Entry:
    """The entry that a center makes of an envelope."""
    return Entry(accepted=datetime(2026, 3, 2, tzinfo=UTC), envelope=envelope)


class SimulatedLog:
    """A log that grows and signs, with a namespace ``acme`` and its publisher once :meth:`open_namespace` was called.

    Attributes:
        tamper: what is done to the bytes of a path before they leave.
        requests: every path with its query that was asked for.
    """

    def __init__(self, origin: str = ORIGIN, *, signer: Signer | None = None, at: datetime | None = None) -> None:
        self.origin = origin
        self.signer = signer or Ed25519Signer.generate()
        self.publisher: Signer = Ed25519Signer.generate()
        self.leaves: list[bytes] = []
        self.manifests: list[bytes | None] = []
        self.nodes: dict[Node, bytes] = {}
        self.note = b""
        self.requests: list[str] = []
        self.tamper: Callable[[str, bytes], bytes] = lambda _path, data: data
        self.missing: Callable[[str], bool] = lambda _path: False
        self.max_entries = 10_000
        self._grown = threading.Condition()
        self.sign(at)

    # Growing

    def append(self, leaf: bytes, manifest: bytes | None = None) -> int:
        """One more leaf, whatever it is; visible once signed."""
        index = len(self.leaves)
        self.nodes |= new_nodes(index, [leaf_hash(leaf)], reader_of(self.nodes))
        self.leaves.append(leaf)
        self.manifests.append(manifest)
        return index

    def sign(self, at: datetime | None = None) -> bytes:
        """Publish a checkpoint over all leaves."""
        size = len(self.leaves)
        checkpoint = Checkpoint(self.origin, size, tree_root(size, reader_of(self.nodes)))
        with self._grown:
            self.note = sign_checkpoint(checkpoint, self.signer, at or now_utc())
            self._grown.notify_all()
        return self.note

    def act(self, op: str, **fields: Any) -> int:
        """An act of the center."""
        made = statement(op, **{"home": self.origin, **fields})
        return self.append(encode_entry(entry(sign_statement(made, self.signer))))

    def say(self, op: str, *, signer: Signer | None = None, **fields: Any) -> int:
        """A statement of the publisher, or of another signer."""
        made = statement(op, **{"home": self.origin, **fields})
        manifest = None
        if op == "publish" and "config" not in fields:
            data = as_json(made)
            manifest = f"manifest of {data['component']}@{data['version']}".encode()
        return self.append(encode_entry(entry(sign_statement(made, signer or self.publisher))), manifest)

    def open_namespace(self, namespace: str = "acme", *, organisation: str = "Acme") -> None:
        """Grant the namespace and its publisher's key: two entries."""
        self.act("ns.grant", namespace=namespace, organisation=organisation)
        self.add_key(self.publisher, namespace)

    def add_key(self, signer: Signer, namespace: str = "acme") -> int:
        """Grant a key."""
        return self.act("key.add", namespace=namespace, keyid=signer.public.keyid, key=str(signer.public))

    def publish_many(self, count: int, *, first: int = 0) -> None:
        """Releases ``acme/tool@1.N.0``."""
        for number in range(first, first + count):
            self.say("publish", component="acme/tool", version=f"1.{number}.0")

    # Serving

    @property
    def name(self) -> str:
        return f"simulated {self.origin}"

    def checkpoint(self) -> bytes:
        return self._leave("checkpoint", self.note)

    def tile(self, tile: Tile) -> bytes:
        size = len(self.leaves)
        if self.missing(tile.path) or not exists(tile, size):
            raise NotFound(what=tile.path)
        return self._leave(tile.path, tile_bytes(tile, reader_of(self.nodes)))

    def entries(self, start: int, limit: int, wait: float = 0.0) -> list[bytes]:
        with self._grown:
            self._grown.wait_for(lambda: self.signed_size > start, timeout=wait)
        end = min(start + min(limit, self.max_entries), self.signed_size)
        path = f"entries?start={start}&limit={limit}"
        return unpack_entries(self._leave(path, pack_entries(self.leaves[start:end])))

    def bodies(self, start: int, limit: int) -> list[bytes | None]:
        path = f"bodies?start={start}&limit={limit}"
        return [self._leave(path, body) if body else None for body in self.manifests[start : start + limit]]

    @property
    def signed_size(self) -> int:
        return int(self.note.split(b"\n")[1])

    def _leave(self, path: str, data: bytes) -> bytes:
        self.requests.append(path)
        return self.tamper(path, data)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The log over HTTP on this machine; gives its address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/log"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(log: SimulatedLog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Tests have their own output."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/log/")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            try:
                if path == "checkpoint":
                    data = log.checkpoint()
                elif path == "entries":
                    found = log.entries(int(query["start"]), int(query["limit"]), float(query.get("wait", 0)))
                    data = pack_entries(found)
                elif path == "bodies":
                    bodies = log.bodies(int(query["start"]), int(query["limit"]))
                    data = b"".join(len(body or b"").to_bytes(4, "big") + (body or b"") for body in bodies)
                else:
                    data = log.tile(Tile.parse(path))
            except NotFound:
                self.send_error(404)
                return
            etag = f'"{digest_of(data)}"'
            if self.headers.get("If-None-Match") == etag:
                self.send_response(304)
                self.send_header("ETag", etag)
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", etag)
            if "zstd" in self.headers.get("Accept-Encoding", "") and path in ("entries", "bodies"):
                data = zstandard.ZstdCompressor().compress(data)
                self.send_header("Content-Encoding", "zstd")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def flip(data: bytes, place: int, bit: int = 0) -> bytes:
    """``data`` with one bit flipped."""
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)
