"""``capmart center scrub`` beside a serving center."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import Any

from tests.support.processes import CAPMART


def scrub(served: Any) -> tuple[int, list[dict[str, Any]]]:
    command = [str(CAPMART), "center", "scrub", "--json"]
    environment = {
        **os.environ,
        "CAPMART_CENTER_DATA": str(served.small.folder),
        "CAPMART_CENTER_ORIGIN": served.small.origin,
        "CAPMART_CENTER_TITLE_ZH": "测试中心",
        "CAPMART_CENTER_TITLE_EN": "Test center",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_given_a_flipped_bit_and_a_lost_file_when_scrubbed_then_both_are_named_with_who_needs_them(served: Any) -> None:
    digests = []
    with served.client(served.bearer(("dev", served.owner))) as dev:
        for _ in range(3):
            data = os.urandom(5000)
            digests.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
            done = dev.post("/v2/acme/rotting/blobs/uploads/", params={"digest": digests[-1]}, content=data)
            assert done.status_code == 201
    assert scrub(served) == (0, [])
    flipped, lost = (served.center.blobs.local_path(digest) for digest in digests[:2])
    whole = flipped.read_bytes()
    flipped.chmod(0o600)
    flipped.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    kept = lost.read_bytes()
    lost.unlink()
    status, found = scrub(served)
    flipped.write_bytes(whole)
    lost.write_bytes(kept)
    assert status == 3
    assert {(rot["digest"], rot["fault"]) for rot in found} == {(digests[0], "altered"), (digests[1], "missing")}
    assert all(rot["repositories"] == ["acme/rotting"] for rot in found)
    assert scrub(served) == (0, [])
