"""`symbolon-server check`: whether a server could start with these settings, and would work."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from symbolon_server.app.errors import StartError
from symbolon_server.app.gateway_program import tls_of
from symbolon_server.app.parts import suppliers_of
from symbolon_server.app.protection import protection_of
from symbolon_server.app.redis_servers import RedisServers, find_setup_problems
from symbolon_server.cache.servers import (
    ServerUnreachableError,
    connect,
    read_facts,
    server_name,
)
from symbolon_server.ingest.permissions import CACHE, STORE, find_missing_permissions
from symbolon_server.rpc.addresses import ListenAddress, ListenError
from symbolon_server.rpc.protection import check_address
from symbolon_server.settings import Settings, unknown_variables
from symbolon_server.settings.kinds import EMBEDDED
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome, SupplierChain
from symbolon_server.suppliers.errors import SupplierError
from symbolon_server.suppliers.supplier import Supplier
from symbolon_server.symbols.asked_modules import AskedModule
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.reader import SymbolFileReader
from symbolon_server.symbols.symbol_table import SymbolTable

_NOBODYS_MODULE = AskedModule(ModuleId("symbolon-check.pdb", "0" * 33))
"""Asked of each supplier: it says that it is missing, if it can say anything."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    subject: str
    said: str
    """What is there, or what is wrong and how to mend it."""

    is_wrong: bool = False

    is_note: bool = False
    """Whether it may be a slip, and may be right."""

    def __str__(self) -> str:
        """Return the line for a person."""
        verdict = "WRONG" if self.is_wrong else "note" if self.is_note else "ok"
        return f"{verdict:<6}{self.subject:<12}{self.said}"


def check(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what was found, one thing after the other."""
    yield from _check_variables(environment)
    yield _check_listen("listen", settings, settings.listen)
    if settings.http is not None:
        yield _check_http(settings, settings.http)
    yield from _check_redis(settings)
    yield from _check_suppliers(settings)
    yield from _check_folders(settings)


def _check_variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in unknown_variables(environment):
        said = f"{name} names no setting and does nothing; look for a misspelt name"
        yield Finding("settings", said, is_note=True)


def _check_listen(subject: str, settings: Settings, listen: ListenAddress) -> Finding:
    try:
        protection = protection_of(settings)
        check_address(listen, protection)
    except (ListenError, StartError) as error:
        return Finding(subject, str(error), is_wrong=True)
    return Finding(subject, ", ".join(filter(None, (str(listen), str(protection)))))


def _check_http(settings: Settings, http: ListenAddress) -> Finding:
    try:
        tls_of(settings)
    except StartError as error:
        return Finding("http", str(error), is_wrong=True)
    return _check_listen("http", settings, http)


def _check_redis(settings: Settings) -> Iterator[Finding]:
    """Check the servers that were given, and that those can be started that were not."""
    with tempfile.TemporaryDirectory(prefix="symbolon-check-") as folder:
        try:
            servers = RedisServers(replace(settings, data_dir=Path(folder)), is_listed=False)
        except StartError as error:
            yield Finding("redis", str(error), is_wrong=True)
            return
        with closing(servers):
            yield from _check_server("store", settings.store_url, servers.settings.store_url)
            yield from _check_server("cache", settings.cache_url, servers.settings.cache_url)
            for problem in find_setup_problems(servers.settings):
                yield Finding("redis", str(problem), is_wrong=True)


def _check_server(role: str, asked: str, url: str) -> Iterator[Finding]:
    """Yield what a server is; one that does not answer is found by the check of both."""
    with closing(connect(url)) as client:
        try:
            facts = read_facts(client)
        except ServerUnreachableError:
            return
        where = EMBEDDED if asked == EMBEDDED else server_name(client)
    limit = f"maxmemory {facts.maxmemory}" if facts.maxmemory else "no maxmemory"
    said = f"{where}: {facts.software} {facts.version}, {limit}, {facts.maxmemory_policy}"
    yield Finding(role, said)
    if (
        facts.mode == "standalone" and not facts.is_replica
    ):  # others refuse for reasons of their own
        yield from _check_permissions(role, url)


def _check_permissions(role: str, url: str) -> Iterator[Finding]:
    needed = STORE if role == "store" else CACHE
    with closing(connect(url)) as client:
        if missing := find_missing_permissions(client, needed):
            said = f"its user lacks {' '.join(missing)} (see Permissions in redis/README.md)"
            yield Finding(role, said, is_wrong=True)


def _check_suppliers(settings: Settings) -> Iterator[Finding]:
    try:
        suppliers = suppliers_of(settings)
    except StartError as error:
        yield Finding("suppliers", str(error), is_wrong=True)
        return
    if not suppliers:
        said = "none: every module will be missing; name some in SYMBOLON_SUPPLIERS"
        yield Finding("suppliers", said, is_wrong=True)
    for supplier in suppliers:
        yield _check_supplier(supplier)


def _check_supplier(supplier: Supplier) -> Finding:
    attempts: list[Attempt] = []
    with suppress(SupplierError):
        SupplierChain([supplier], attempts.append).fetch(_NOBODYS_MODULE, _read_symbol_file)
    (attempt,) = attempts
    if attempt.outcome is AttemptOutcome.FOUND:
        return Finding("supplier", f"{supplier.name} answers")
    if attempt.outcome is AttemptOutcome.MISSING:
        return Finding("supplier", f"{supplier.name} answers that it {attempt.detail}")
    return Finding("supplier", f"{supplier.name} {attempt.detail}", is_wrong=True)


def _read_symbol_file(text: Iterator[bytes]) -> SymbolTable:
    """Read it as an ingest would, which tells login pages from symbol files."""
    return SymbolFileReader(_NOBODYS_MODULE.module_id).read(text)


def _check_folders(settings: Settings) -> Iterator[Finding]:
    if settings.spool_bytes:
        yield _check_folder("spool", settings.spool_dir, "SYMBOLON_SPOOL_DIR")
    if settings.cache_url == EMBEDDED:
        yield _check_folder("data", settings.data_dir, "SYMBOLON_DATA_DIR")


def _check_folder(subject: str, folder: Path, variable: str) -> Finding:
    """Check that the folder, or the first one above that is there, can be written to."""
    place = next(above for above in (folder, *folder.parents) if above.exists())
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Finding(subject, str(folder))
    said = f"{folder} cannot be written: mend {place}, or name another folder in {variable}"
    return Finding(subject, said, is_wrong=True)
