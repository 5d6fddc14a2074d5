"""A Redis server with a replica, which takes its place in one of the ways in which that happens."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.networks import free_port
from tests.fixtures.redis_fixtures import PATIENT
from tests.system.conftest import RedisPair


class Replicated:
    """A primary and a replica behind one name, which a failover lets lead to the other."""

    def __init__(self, pair: RedisPair, role: str, stack: ExitStack) -> None:
        """Take the place of the pair's server of that role, for all who connect from now on."""
        self._name = pair.folder / role
        self._old, self._new = (
            stack.enter_context(EmbeddedRedis.start(f"{role}.conf", _options())) for _ in range(2)
        )
        self.old, self.new = (
            stack.enter_context(connect(server.url, PATIENT)) for server in (self._old, self._new)
        )
        self.new.replicaof("127.0.0.1", str(_port(self.old)))
        while self.new.info("replication")["master_link_status"] != "up":
            self.old.wait(1, 100)
        self._lead_to(self._old)

    def demote(self) -> None:
        """Let primary and replica change places; open connections stay where they are."""
        self._promote()
        self.old.replicaof("127.0.0.1", str(_port(self.new)))

    def kill(self) -> None:
        """End the primary without a word."""
        os.kill(self._old.process_id, signal.SIGKILL)
        self._promote()

    def freeze(self) -> None:
        """Let the primary answer nobody any more, and hang up on nobody."""
        os.kill(self._old.process_id, signal.SIGSTOP)
        self._promote()

    def thaw(self) -> None:
        """Let the old primary go on if it was frozen."""
        if self._old.is_running():
            os.kill(self._old.process_id, signal.SIGCONT)

    def _promote(self) -> None:
        self.new.replicaof("NO", "ONE")
        self._lead_to(self._new)

    def _lead_to(self, server: EmbeddedRedis) -> None:
        self._name.unlink()
        self._name.symlink_to(Path(server.url.removeprefix("unix://")))


@contextmanager
def replicated(pair: RedisPair, role: str) -> Iterator[Replicated]:
    """Return a server with a replica; both end with the context."""
    with ExitStack() as stack:
        found = Replicated(pair, role, stack)
        stack.callback(found.thaw)
        yield found


def _options() -> EmbeddedOptions:
    """A server that does not wait five seconds for more replicas before it sends its data."""
    return EmbeddedOptions(port=free_port(), overrides={"repl-diskless-sync-delay": "0"})


def _port(client: redis.Redis) -> int:
    return int(client.info("server")["tcp_port"])
