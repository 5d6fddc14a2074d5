"""A server process of tests: many calls at once for one module.

python caller_program.py CACHE_URL MODULE_ID CALLS; prints how many calls saw the module's end.
It starts when it reads a line.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.redis_servers.servers import connect
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.working.workers import WAIT_SECONDS


def main(cache_url: str, module: str, calls: str) -> None:
    module_id, count = ModuleId.from_text(module), int(calls)
    loader = ModuleLoader(connect(cache_url))
    loader.start()
    barrier = Barrier(count)

    def call(offset: int) -> bool:
        barrier.wait()
        with loader.load({module_id: [offset]}) as pending:
            pending.wait(WAIT_SECONDS)
            return module_id in pending.ended

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(count) as pool:
        ended = sum(pool.map(call, range(count)))
    loader.close()
    sys.stdout.write(f"{ended}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
