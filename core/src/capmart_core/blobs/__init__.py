"""Blob stores: the reference driver of the port in :mod:`capmart_core.ports.blobs`."""

from __future__ import annotations

from capmart_core.blobs.folder import FolderBlobs

__all__ = ["FolderBlobs"]
