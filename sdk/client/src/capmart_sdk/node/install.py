"""Installing a plan: content by digest, verified, on disk, proven to be in its log; the lock last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capmart_core.blobs.folder import FolderBlobs
from capmart_core.errors import DigestMismatch, NotInLog
from capmart_core.identifiers import ComponentId, Runtime
from capmart_core.ledger import ReleasePublished
from capmart_core.manifest.models import ImageDelivery, Manifest, PythonDelivery
from capmart_core.package import PackageLayout, RuntimeLayout, choose_runtime, install_tree
from capmart_sdk.follow import NodeStore
from capmart_sdk.node.content import Content, needed
from capmart_sdk.node.lock import LockedComponent
from capmart_sdk.node.plan import PlannedRelease
from capmart_sdk.node.proofs import InclusionProof
from capmart_sdk.node.sources import Sources


@dataclass(frozen=True)
class Ready:
    """A planned release whose package was looked into: it can run here, and this is how much it is.

    Attributes:
        chosen: the part of the package for this machine.
        proof: that it is in its home log.
        missing_bytes: of content that still has to be fetched.
    """

    release: PlannedRelease
    layout: PackageLayout
    chosen: RuntimeLayout
    proof: InclusionProof
    missing_bytes: int


class Installer:
    """Puts releases into one node.

    Args:
        blobs: the node's content.
        trees: folder of installed packages.
        proofs: folder of proofs.
        store: the followed logs.
        offered: gives the runtime of this machine's base image; asked only when something needs it.
    """

    def __init__(
        self, blobs: FolderBlobs, trees: Path, proofs: Path, store: NodeStore, offered: Callable[[], Runtime]
    ) -> None:
        self._blobs = blobs
        self._trees = trees
        self._proofs = proofs
        self._store = store
        self._offered = offered

    def prepare(self, release: PlannedRelease, content: Content, sources: Sources) -> Ready:
        """Verify everything about a release that can be known before its content is fetched.

        Raises:
            RuntimeMismatch: it cannot run here.
            DigestMismatch: the center serves other documents than the publisher signed.
            SignatureInvalid, KeyNotGranted, NotInLog, LogCorrupt: it is not proven to be in its home log.
        """
        published = release.published
        component = ComponentId.parse(published.component)
        proof = self._proof(published, sources)
        layout = content.layout(component, published.digest)
        if layout.config.digest != published.config:
            raise DigestMismatch(
                what=f"manifest of {release.name}", expected=published.config, actual=layout.config.digest
            )
        chosen = choose_runtime(layout, self.runtime_for(release.manifest))
        missing = sum(part.size for part in needed(layout, chosen) if part.digest not in self._blobs)
        return Ready(release, layout, chosen, proof, missing)

    def install(self, ready: Ready, content: Content) -> LockedComponent:
        """Fetch what is missing, unpack it and keep the proof. Killed and run again, it ends the same.

        Raises:
            DigestMismatch: content is not what its digest says, also after it was fetched anew.
        """
        release, layout = ready.release, ready.layout
        component = ComponentId.parse(release.published.component)
        parts = needed(layout, ready.chosen)
        content.fetch(component, parts)
        dest = self.tree(component, release.published.version)
        runtime = self.runtime_for(release.manifest)
        try:
            install_tree(layout, self._blobs, dest, runtime)
        except DigestMismatch:
            # Something rotted in this node's own store: fetch that again, once.
            content.drop_rotten(parts)
            content.fetch(component, parts)
            install_tree(layout, self._blobs, dest, runtime)
        ready.proof.save(self.proof(release.published.digest))
        return _locked(ready)

    def tree(self, component: ComponentId, version: str) -> Path:
        """Folder of an installed release."""
        return self._trees / component.namespace / component.name / version

    def proof(self, digest: str) -> Path:
        """File of an installed release's proof."""
        return self._proofs / f"{digest.removeprefix('sha256:')}.json"

    def runtime_for(self, manifest: Manifest) -> Runtime | None:
        """What this machine offers, where the component needs anything; None otherwise."""
        return self._offered() if isinstance(manifest.delivery, PythonDelivery | ImageDelivery) else None

    def _proof(self, published: ReleasePublished, sources: Sources) -> InclusionProof:
        state = self._store.state(published.origin)
        source = sources.logs.get(published.origin)
        if state is None or source is None:
            raise NotInLog(what=f"{published.component}@{published.version}", origin=published.origin)
        proof = InclusionProof.fetch(source, state, published.index)
        proof.check_included(state.key)
        namespace = published.component.partition("/")[0]
        proof.check_statement(published, self._store.key(namespace, published.keyid))
        return proof


def _locked(ready: Ready) -> LockedComponent:
    published, manifest = ready.release.published, ready.release.manifest
    return LockedComponent(
        id=published.component,
        version=published.version,
        digest=published.digest,
        config=published.config,
        home=published.origin,
        log_index=published.index,
        keyid=published.keyid,
        runtime=str(ready.chosen.runtime) if ready.chosen.runtime is not None else None,
        requested=ready.release.requested,
        dependencies=tuple(sorted(each.id for each in manifest.dependencies)),
        permissions=manifest.permissions,
    )
