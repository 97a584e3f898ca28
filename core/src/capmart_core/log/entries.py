"""Log entries as leaves: their one spelling."""

from __future__ import annotations

from pydantic import ValidationError

from capmart_core.canonical import canonical_bytes, parse_json
from capmart_core.errors import InvalidInput, InvalidJson, InvalidStatement, TooLarge
from capmart_core.statements import MAX_ENTRY_BYTES, Entry, as_json


def encode_entry(entry: Entry) -> bytes:
    """The leaf: canonical JSON.

    Raises:
        TooLarge: it has more bytes than a leaf can.
    """
    data = canonical_bytes(as_json(entry))
    if len(data) > MAX_ENTRY_BYTES:
        raise TooLarge(what="log entry", limit=MAX_ENTRY_BYTES)
    return data


def decode_entry(data: bytes) -> Entry:
    """Read a leaf. Nothing is verified.

    Raises:
        InvalidStatement: it is not an entry in its one spelling.
    """
    try:
        entry = Entry.model_validate(parse_json(data, what="log entry", max_bytes=MAX_ENTRY_BYTES))
        spelled = canonical_bytes(as_json(entry))
    except InvalidJson as error:
        raise InvalidStatement(reason=str(error.data["reason"])) from error
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InvalidStatement(reason=f"entry {place}: {error.errors()[0]['msg']}"[:300]) from error
    except InvalidInput as error:
        raise InvalidStatement(reason=error.message("en")) from error
    if spelled != data:
        raise InvalidStatement(reason="the entry is not canonical JSON (RFC 8785)")
    return entry
