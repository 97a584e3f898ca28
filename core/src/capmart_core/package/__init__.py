"""The package: an OCI image layout in a tar, written, read and put on disk.

write_package      from an author's parts to a file
PackageReader      a file from outside, bounded and verified
describe_layout    what a package holds, wherever its documents lie
install_tree       verified content on disk, ready for a runner
"""

from __future__ import annotations

from capmart_core.package import media_types
from capmart_core.package.descriptors import Descriptor
from capmart_core.package.images import read_image, write_layout
from capmart_core.package.install import InstalledTree, choose_runtime, install_tree, load_tree, verify_tree
from capmart_core.package.layout import (
    MAX_DOCUMENT_BYTES,
    Fetch,
    ImageContent,
    ImageManifest,
    PackageLayout,
    RuntimeLayout,
    describe_layout,
)
from capmart_core.package.limits import PackageLimits
from capmart_core.package.reader import PackageReader
from capmart_core.package.wheels import (
    WheelLimits,
    WheelName,
    check_wheel,
    platform_tags,
    runtime_needed,
    supported_tags,
)
from capmart_core.package.writer import PackedPackage, write_package

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "Descriptor",
    "Fetch",
    "ImageContent",
    "ImageManifest",
    "InstalledTree",
    "PackageLayout",
    "PackageLimits",
    "PackageReader",
    "PackedPackage",
    "RuntimeLayout",
    "WheelLimits",
    "WheelName",
    "check_wheel",
    "choose_runtime",
    "describe_layout",
    "install_tree",
    "load_tree",
    "media_types",
    "platform_tags",
    "read_image",
    "runtime_needed",
    "supported_tags",
    "verify_tree",
    "write_layout",
    "write_package",
]
