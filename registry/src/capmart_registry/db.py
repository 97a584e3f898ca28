"""The database: engine, sessions and write transactions, the same on SQLite (WAL) and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, TypeDecorator, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlmodel import Session, SQLModel, create_engine

from capmart_core.errors import Busy, SettingsInvalid

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_MS = 15_000
ABANDONED_MS = 60_000
"""PostgreSQL ends a transaction in which nothing was asked for so long: its machine is gone, its lock must not stay."""

_WRITE_LOCK = 0x6361706D
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

    Raises:
        SettingsInvalid: the address is none of SQLite or PostgreSQL, or the driver for PostgreSQL is not installed.
    """

    def __init__(self, url: str) -> None:
        address = _parsed(url)
        self.is_sqlite = address.get_backend_name() == "sqlite"
        engine = _sqlite_engine(address) if self.is_sqlite else _postgresql_engine(address)
        self.writer = engine.execution_options(**{_WRITE: True})
        self.engine = (
            engine
            if self.is_sqlite
            else engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading: all its answers are of one moment, and whatever it changed is rolled back."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one write transaction, committed on leaving and rolled back on an error.

        One writer at a time in all processes, so that what was read inside stays true until the commit and what one
        writer committed is seen by the next: on SQLite by ``BEGIN IMMEDIATE``, on PostgreSQL by an advisory lock.
        Actions given to :func:`before_commit` are its last part; those given to :func:`after_commit` run once it is
        durable.

        Raises:
            Busy: another writer held the database for too long.
        """
        with Session(self.writer, expire_on_commit=False) as session:
            try:
                session.connection()
                yield session
                for action in session.info.pop(_BEFORE_COMMIT, {}).values():
                    action()
                session.commit()
            except OperationalError as error:
                session.rollback()
                if _is_locked(error):
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


def is_full(error: OperationalError) -> bool:
    """Whether the database's disk is full."""
    return getattr(error.orig, "sqlstate", None) == "53100" or "is full" in str(error.orig)


def _is_locked(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "55P03" or "is locked" in str(error.orig)


def _parsed(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise SettingsInvalid(name="database_url", reason="it is no SQLAlchemy address") from error
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingsInvalid(name="database_url", reason=f"{address.drivername} is neither sqlite nor postgresql")
    return address


def _postgresql_engine(address: URL) -> Engine:
    settings = {"lock_timeout": BUSY_TIMEOUT_MS, "idle_in_transaction_session_timeout": ABANDONED_MS}
    try:
        engine = create_engine(
            address,
            pool_size=20,
            max_overflow=-1,  # as for SQLite
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args={"options": " ".join(f"-c {name}={value}" for name, value in settings.items())},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        reason = f"{error}; install it: pip install 'capmart-registry[postgresql]'"
        raise SettingsInvalid(name="database_url", reason=reason) from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITE, False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")

    return engine


def _sqlite_engine(address: URL) -> Engine:
    # Threads bound how many are open at once, so none waits for a connection while it holds another.
    engine = create_engine(address, pool_size=20, max_overflow=-1, hide_parameters=True)

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
