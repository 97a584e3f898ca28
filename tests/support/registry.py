"""A real center without its web server: database, blobs, log key and search index in a folder, and a publisher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from capmart_core.package import PackageReader, PackedPackage, media_types
from capmart_core.signing import Ed25519Signer, Signer, sign_statement
from capmart_core.statements import EntryEnvelope, KeyAdd, NamespaceGrant, Publish
from capmart_core.times import now_utc
from capmart_registry import schema
from capmart_registry.accounts.principal import Principal, Role, scopes_of
from capmart_registry.artifacts import service as artifacts
from capmart_registry.center import Center
from capmart_registry.hooks import center_plugins
from capmart_registry.log import service as log
from capmart_registry.search.writer import SearchWriter
from capmart_registry.settings import FILE, CenterSettings
from capmart_registry.submissions import jobs
from capmart_registry.submissions import service as submissions
from capmart_registry.submissions.bench import Runners
from capmart_registry.submissions.intake import CHECK
from capmart_registry.submissions.views import SubmissionView
from tests.support.packages import ACTION_CODE, make_package, manifest_json
from tests.support.postgres import database_of

ORIGIN = "center.zhejiang.example"
EXAMPLES = manifest_json()["examples"]


def principal(account: str, *roles: Role, organisation: str = "acme") -> Principal:
    """A caller with every scope of its roles."""
    chosen: frozenset[Role] = frozenset(roles)
    return Principal(1, account, organisation, chosen, scopes_of(chosen))


PUBLISHER = principal("dev", "developer")
REVIEWER = principal("judge", "reviewer", organisation="operator")


class SmallCenter:
    """One center with namespace ``acme``, a publisher's key and an organisation that owns it.

    Args:
        folder: its data folder.
        namespace: whether ``acme`` is granted here.
        settings: that differ from a center without an engine whose operator trusts ``acme``.
    """

    def __init__(self, folder: Path, origin: str = ORIGIN, *, namespace: bool = True, **settings: Any) -> None:
        given: dict[str, Any] = {
            "data": folder,
            "origin": origin,
            "title_zh": "测试中心",
            "title_en": "Test center",
            "runner": "process",
            "process_namespaces": ("acme",),
        }
        folder.mkdir(parents=True, exist_ok=True)
        database = database_of(folder)
        if database is not None:  # in the file, so that whoever opens the folder finds the same center
            (folder / FILE).write_text(f'database_url = "{database}"\n', "utf-8")
        self.folder = folder
        self._made = 0
        self.center = Center(CenterSettings(**{**given, **settings}))
        self.publisher: Signer = Ed25519Signer.generate()
        if not self.center.settings.log_key_path.exists():
            self.center.settings.log_key_path.parent.mkdir(parents=True, exist_ok=True)
            Ed25519Signer.generate().save(self.center.settings.log_key_path)
            schema.migrate(self.center.db)
            with self.center.db.write() as session:
                log.create_own_log(session, self.center)
            if namespace:
                self.open_namespace("acme", self.publisher)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.center.close()

    @property
    def origin(self) -> str:
        return self.center.origin

    def open_namespace(self, namespace: str, key: Signer, organisation: str = "acme") -> None:
        """Grant it and register a key."""
        with self.center.db.write() as session:
            grant = NamespaceGrant(home=self.origin, at=now_utc(), namespace=namespace, organisation=organisation)
            log.append_act(self.center, session, grant)
            self.add_key(session, namespace, key)

    def add_key(self, session: Any, namespace: str, key: Signer) -> None:
        """Register a publisher's key."""
        added = KeyAdd(home=self.origin, at=now_utc(), namespace=namespace, keyid=key.public.keyid, key=str(key.public))
        log.append_act(self.center, session, added)

    def package(self, **changes: Any) -> PackedPackage:
        """A package of a small component with some fields of its manifest changed; without examples unless given."""
        self._made += 1
        return make_package(
            self.folder / "packages" / str(self._made), **{"examples": None, "code": ACTION_CODE, **changes}
        )

    def push(self, packed: PackedPackage) -> PackageReader:
        """Everything of a package into its repository, as ``/v2/`` would put it there."""
        reader = PackageReader.open(packed.path)
        reader.copy_to(self.center.blobs)
        layout = reader.layout
        repository = layout.manifest.id
        with self.center.db.write() as session:
            for blob in layout.blobs():
                artifacts.add_blob(session, repository, blob.digest)
            session.flush()
            for manifest in layout.manifests():
                data = layout.documents[manifest.digest]
                artifacts.put_manifest(self.center, session, repository, manifest.digest, data, manifest.media_type)
            artifacts.put_manifest(
                self.center, session, repository, layout.digest, layout.documents[layout.digest], media_types.OCI_INDEX
            )
        return reader

    def envelope(self, packed: PackedPackage, *, signer: Signer | None = None, **changes: Any) -> EntryEnvelope:
        """The publisher's signed statement about a package."""
        with PackageReader.open(packed.path) as reader:
            manifest = reader.layout.manifest
        fields: dict[str, Any] = {
            "home": self.origin,
            "at": now_utc(),
            "component": manifest.id,
            "version": manifest.version,
            "digest": packed.index_digest,
            "config": packed.config_digest,
            "kind": manifest.kind,
            "industries": manifest.taxonomy.industries,
            "scenarios": manifest.taxonomy.scenarios,
            "seq": 1,
        }
        return sign_statement(Publish(**{**fields, **changes}), signer or self.publisher)

    def submit(self, packed: PackedPackage, who: Principal = PUBLISHER, **changes: Any) -> str:
        """Push and submit; the submission's id."""
        self.push(packed)
        return submissions.submit(self.center, who, self.envelope(packed, **changes)).id

    def check(self, plugins: Any = None) -> int:
        """Do every check that is due, as the worker would; how many there were."""
        done = 0
        with Runners(self.center.settings) as runners:
            while (lease := jobs.take(self.center.db, jobs.worker_name(), (CHECK,))) is not None:
                with jobs.kept(self.center.db, lease):
                    submissions.run_checks(self.center, plugins or center_plugins(), runners, lease)
                done += 1
        return done

    def view(self, submission: str, who: Principal = REVIEWER) -> SubmissionView:
        """A submission as a reviewer sees it."""
        with self.center.db.read() as session:
            return submissions.find(session, self.center, who, submission)

    def publish(self, **changes: Any) -> SubmissionView:
        """From a manifest's changes to a listed release."""
        submission = self.submit(self.package(**changes))
        self.check()
        found = self.view(submission)
        if found.state != "in_review":
            raise AssertionError(found.state, [finding.message.en for finding in found.findings])
        return submissions.approve(self.center, REVIEWER, submission)

    def index(self) -> None:
        """Bring the search index up to date."""
        SearchWriter(self.center.db, self.center.settings.search_path).catch_up()

    def in_session(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """Ask something that takes a session first."""
        with self.center.db.read() as session:
            return ask(session, *arguments)
