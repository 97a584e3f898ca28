"""The database: engine, sessions and write transactions, the same on SQLite (WAL) and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Engine, TypeDecorator, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel, create_engine

from capmart_core.errors import Busy

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_MS = 15_000
_WRITE = "capmart_write"
_BEFORE_COMMIT = "capmart_before_commit"
_AFTER_COMMIT = "capmart_after_commit"


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; aware in Python, naive in the database (SQLite has no time zones)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times; store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the time its zone back."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Database:
    """One database. Safe to use from several threads.

    Args:
        url: SQLAlchemy address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True, pool_size=20)
        self._writer = self.engine.execution_options(**{_WRITE: True})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; whatever it changed is rolled back."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one write transaction, committed on leaving and rolled back on an error.

        On SQLite it is ``BEGIN IMMEDIATE``: one writer at a time, and what was read inside stays true until the commit.
        Actions given to :func:`before_commit` are its last part; those given to :func:`after_commit` run once it is
        durable.

        Raises:
            Busy: another writer held the database for too long.
        """
        with Session(self._writer, expire_on_commit=False) as session:
            try:
                session.connection()
                yield session
                for action in session.info.pop(_BEFORE_COMMIT, {}).values():
                    action()
                session.commit()
            except OperationalError as error:
                session.rollback()
                if "locked" in str(error.orig):
                    raise Busy(what="database", retry_after=1) from error
                raise
            except BaseException:
                session.rollback()
                raise
        for action in session.info.pop(_AFTER_COMMIT, {}).values():
            action()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def before_commit(session: Session, key: str, action: Callable[[], object]) -> None:
    """Run ``action`` as the last part of the write transaction of ``session``; one action per ``key``.

    For what follows from many of its changes and is worked out once.
    """
    session.info.setdefault(_BEFORE_COMMIT, {})[key] = action


def after_commit(session: Session, key: str, action: Callable[[], object]) -> None:
    """Run ``action`` once the write transaction of ``session`` is durable; one action per ``key``.

    For what is derived from rows and caught up elsewhere when the process dies in between.
    """
    session.info.setdefault(_AFTER_COMMIT, {})[key] = action


def lock_writes(session: Session, key: int) -> None:
    """Hold the cluster-wide lock ``key`` until the transaction ends. SQLite's write transaction is such a lock."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _sqlite_engine(url: str) -> Engine:
    # Threads bound how many are open at once, so none waits for a connection while it holds another.
    engine = create_engine(url, pool_size=20, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged write survives a power cut
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-8192",  # KiB for each connection; the system's file cache is behind it
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
