"""An agent that knows several addresses of its server: one after another, the preferred one first."""
import socket
import time

import log_reader
from harness import SLOW, Site, eventually, free_port, numbered_lines
from proxy import TcpProxy


def test_a_path_that_dies_is_left_for_the_next_and_preferred_again_at_the_next_reconnect():
    text = "[agent.rack1]\n" + numbered_lines(["n"], "rack1", 2000, 20_000)
    with Site(text, local=False) as site:
        site.enrol("rack1")
        one, two = TcpProxy(("127.0.0.1", site.port)), TcpProxy(("127.0.0.1", site.port))
        agent = site.start_agent("rack1", server=[f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}"])
        site.wait_logged("n", 1000)
        assert (one.relayed, two.relayed) == (1, 0)
        mark = agent.mark()
        one.cut(accept=False)
        agent.wait_log(f"connected server=127.0.0.1:{two.port}", since=mark)
        assert two.relayed == 1
        one.resume()
        assert two.relayed == 1 and one.relayed == 1, "a link that works is not left"
        mark = agent.mark()
        two.cut()
        agent.wait_log(f"connected server=127.0.0.1:{one.port}", since=mark)
        site.wait_logged("n", 20_000)
        site.server.stop()
        pieces = site.log("n")
        assert not log_reader.markers(pieces, "gap")
        one.close()
        two.close()


def test_a_first_address_that_says_nothing_costs_two_seconds_a_dead_one_nothing():
    with Site("[agent.rack1]\n", local=False) as site:
        site.enrol("rack1")
        silent = socket.create_server(("127.0.0.1", 0))  # its kernel accepts, nobody answers
        began = time.monotonic()
        agent = site.start_agent("rack1", server=[f"127.0.0.1:{silent.getsockname()[1]}", f"localhost:{site.port}"])
        took = time.monotonic() - began
        assert 1.5 < took < 4 * SLOW, f"{took:.1f} s"
        assert agent.find_log("did not say welcome in time")
        agent.stop()
        began = time.monotonic()
        site.start_agent("rack1", server=[f"[::1]:{free_port()}", f"127.0.0.1:{free_port()}", f"127.0.0.1:{site.port}"])
        took = time.monotonic() - began
        assert took < 1.5 * SLOW, f"{took:.1f} s"
        silent.close()


def test_a_server_that_refuses_at_every_address_is_dialled_with_growing_waits():
    with Site("[agent.rack1]\n", local=False) as site:
        site.enrol("rack1")
        ports = [free_port(), free_port()]
        agent = site.start_agent("rack1", server=[f"127.0.0.1:{port}" for port in ports], wait=False)
        waits = []

        def slower():
            waits[:] = [int(line.rsplit("next_try_ms=", 1)[1].split()[0]) for line in agent.find_log("cannot reach")]
            return any(0 < wait for wait in waits) and 0 in waits
        eventually(slower, 20, "a wait after a round")
        assert all(f"127.0.0.1:{port}" in "\n".join(agent.lines) for port in ports)


def test_addresses_that_are_none_are_refused_with_their_place():
    with Site(local=False) as site:
        for server, words in (([], "name one server"), (["nowhere"], "nowhere"), (["unix:/a", "h:1"], "stands alone")):
            agent = site.start_agent("rack1", server=server, wait=False)
            agent.may_end = agent.killed = True
            agent.wait_log(rf"rack1.toml:2:\d+: error: .*{words}")
