"""One run over two Ray nodes on this machine, one of which is killed in the middle."""

import time
from pathlib import Path

import pytest

from tests.e2e.test_run import remote
from tests.servers.threaded import serving

pytest.importorskip("ray", reason="the extra evalkit[ray] is not installed")
COUNT = 20


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with room for one worker each."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  an extra

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whatever token this machine's user has
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's 15 lets them starve on a busy machine
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def workers(node):
    """The numbers of a node's processes that climb."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    return [one for one in children if b"ray::climb" in Path(f"/proc/{one}/cmdline").read_bytes()]


def until(so, process):
    began = time.monotonic()
    while not so():
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < began + 240


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_over_two_nodes_outlives_one_of_them_and_takes_in_a_new_one(home, cluster):
    (second,) = cluster.worker_nodes
    with serving() as server:
        arguments = remote(home, COUNT, server, **{"ladder.rungs.only.timeout_s": 600})
        server.hold = {f"i{n}" for n in range(8, COUNT)}
        over = ["limits.over=ray", "limits.processes=2"]
        process = home.start("run", *arguments, *over, RAY_ADDRESS=cluster.address)
        until(lambda: len(server.held) >= 4, process)  # two climbs of each worker
        assert len(workers(second)) == 1
        assert sum(server.answered.values()) == 8
        cluster.remove_node(second, allow_graceful=False)
        third = cluster.add_node(num_cpus=1)
        until(lambda: workers(third), process)
        server.hold = set()
        _, err = process.communicate(timeout=240)
    assert (process.returncode, "Traceback" in err) == (0, False), err
    assert "is gone: " in err
    assert "2 climbs that it had in hand go on in others" in err
    summary = home.summary()
    assert (summary["status"], summary["counts"]["solved"]) == ("complete", COUNT)
    assert all(server.answered[f"i{n}"] == 1 for n in range(8)), "what was recorded is not paid again"
    assert sum(server.answered.values()) <= COUNT + 2, "only what the lost node had under way"
