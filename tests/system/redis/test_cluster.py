"""A cluster as the store, whose slots move and whose nodes fail while servers and workers run."""

from functools import partial
from itertools import count, islice

import pytest

from tests.app.conftest import wait_until
from tests.fixtures.clusters import PRIMARIES, RunningCluster, running_cluster
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.known_modules import KnownModule, known_modules
from tests.system.redis.test_failover import are_found
from tests.system.traffic import Traffic


@pytest.mark.soak
@pytest.mark.promise(
    "Moved slots and a lost node of a cluster fail no call and give no wrong answer"
)
def test_no_call_fails_while_slots_move_and_replicas_take_over(site: Site) -> None:
    warm = known_modules(range(4))
    cold = (KnownModule(number, 10) for number in count(100))
    with running_cluster(has_replicas=True) as cluster:
        # Without a spool, so that the cluster alone has the pages.
        url = {"store_url": cluster.url(), "spool_bytes": "0"}
        site.work(**url)
        target = site.serve(**SMALL_MEMORY, **url).await_address()
        client = site.connect_to(target)
        assert are_found(site, client, warm)
        info = client.get_store_info()
        assert info.store.is_reachable
        assert info.modules == len(warm)
        assert info.warnings == ()
        with Traffic(target, warm) as traffic:
            traffic.take_after(calls=5).check()
            for slot in islice(cluster.used_slots(0), 10):
                for _ in cluster.migrate(slot, 0, 1):
                    pass
            moved = traffic.take_after(calls=5)
            moved.check()
            assert moved.unanswered == 0
            for fail, node in ((RunningCluster.freeze, 2), (RunningCluster.kill, 1)):
                fail(cluster, node)
                wait_until(lambda: are_found(site, client, [next(cold)]))
                wait_until(partial(cluster.is_primary, PRIMARIES + node))
                traffic.take_after(calls=5).check()
                # Pages that the replica lacks, or that nobody took meanwhile, are ingested again.
                wait_until(lambda: is_all_answered(traffic))
            assert are_found(site, site.new_client(**url), warm)
            traffic.take_after(calls=5).check()


def is_all_answered(traffic: Traffic) -> bool:
    tally = traffic.take_after(calls=10)
    tally.check()
    return tally.unanswered == 0
