"""Media types and annotations of a package (an OCI artifact)."""

from __future__ import annotations

from typing import Final

COMPONENT: Final = "application/vnd.capmart.component.v1+json"
"""Artifact type of the package's index and of each manifest in it."""
MANIFEST: Final = "application/vnd.capmart.manifest.v1+json"
"""Config blob: what the component says of itself, canonical JSON."""
WHEEL: Final = "application/vnd.capmart.wheel.v1+zip"
DATA: Final = "application/vnd.capmart.data.v1"
SBOM: Final = "application/vnd.cyclonedx+json"
IMAGE_LIST: Final = "application/vnd.capmart.image-list.v1+json"
"""The image index of an image for several platforms, kept as a plain blob: an index inside an index does not travel."""

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGE_MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
IMAGE_INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})

TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"
REF_NAME: Final = "org.opencontainers.image.ref.name"
COMPONENT_ID: Final = "dev.capmart.component"
RUNTIME: Final = "dev.capmart.runtime"
