"""kill -9 of oobd and of agents: what a line said is in its log, each line once and in order; what cannot be known is
marked; lines stay open through any restart of oobd."""
import os
import random
import time

import log_reader
from harness import Equipment, Site, SHELL_USER, eventually, limit, numbered_lines
from stream import Stream


def seeded():
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


@limit(170)
def test_50_logs_hold_every_line_once_after_20_kills_of_oobd():
    names = [f"n{i:02}" for i in range(50)]
    moments, lines = seeded(), 3000
    with Site("[agent.rack1]\n" + numbered_lines(names, "rack1", 100, lines), agents=["rack1"], local=False) as site:
        site.wait_logged(names[-1], 1)
        for _ in range(20):
            time.sleep(moments.uniform(0, 0.8))  # a random moment is what is tested, also one before it is ready
            site.server.kill()
            site.start_server(wait=False)
        for name in names:
            site.wait_logged(name, lines, timeout_s=90)
        site.server.stop()
        for name in names:
            found = log_reader.check_numbered(site.log(name))
            assert (found.lines, found.last, found.runs) == (lines, lines, 1), f"{name}: {found}"
            assert (found.gap_bytes, found.unknown_gaps) == (0, 0), f"{name}: {found}"


@limit(120)
def test_after_20_kills_of_the_agent_50_logs_hold_what_was_read_and_mark_the_unknown():
    names = [f"n{i:02}" for i in range(50)]
    moments, kills = seeded(), 20
    with Site("[agent.rack1]\n" + numbered_lines(names, "rack1", 100, 0), agents=["rack1"], local=False) as site:
        for _ in range(kills):
            site.wait_up(names[0], names[-1])
            mark = {name: site.console(name)["log"]["end"] for name in names}
            for name in names:
                eventually(lambda: site.console(name)["log"]["end"] > mark[name], 20, f"output of {name}")
            time.sleep(moments.uniform(0, 0.5))  # a random moment is what is tested
            site.agents["rack1"].kill()
            site.start_agent("rack1")
        site.wait_up(*names)
        for name in names:
            mark = site.console(name)["log"]["end"]
            eventually(lambda: site.console(name)["log"]["end"] > mark, 20, f"output of {name}")
        site.server.stop()
        for name in names:
            found = log_reader.check_numbered(site.log(name))
            assert found.runs == kills + 1, f"{name}: {found}"
            assert found.unknown_gaps == kills, f"{name}: {found}"
            assert found.gap_bytes == 0, f"{name}: {found}"


def test_what_an_agent_had_read_before_its_kill_is_read_back_from_the_ring():
    box = Equipment()
    text = f'[agent.rack1]\n[console.box]\nline = "tcp"\nagent = "rack1"\naddress = "{box.address}"\n'
    with Site(text, agents=["rack1"], local=False) as site:
        site.wait_up("box")
        site.server.kill()
        box.say(b"said while oobd was away\r\n")
        rings = f"{site.folder}/agents/rack1/rings"

        def in_ring():
            for name in os.listdir(rings):
                with open(f"{rings}/{name}", "rb") as file:
                    if b"said while oobd was away" in file.read():
                        return True
            return False
        eventually(in_ring, 10, "the ring to hold it")
        site.agents["rack1"].kill()
        site.start_agent("rack1", wait=False)
        site.start_server()
        site.wait_up("box")
        box.say(b"said afterwards\r\n")
        eventually(lambda: b"said afterwards" in open(site.log_path("box"), "rb").read(), 20, "the log")
        site.server.stop()
        pieces = site.log("box")
        assert log_reader.output(pieces) == b"said while oobd was away\r\nsaid afterwards\r\n"
        unknown = [m for m in log_reader.markers(pieces, "gap") if m.gap_bytes is None]
        assert len(unknown) == 1, "that the agent was killed is not marked"
        assert unknown[0].offset == len(b"said while oobd was away\r\n")
    box.close()


def test_lines_stay_open_through_kill_and_restart_of_oobd():
    text = (f'[agent.rack1]\n[console.sh]\nline = "exec"\nagent = "rack1"\ncommand = ["/bin/bash", "--norc", "-i"]\n'
            f'user = "{SHELL_USER}"\n')
    with Site(text, agents=["rack1"], local=False) as site:
        site.wait_up("sh")
        pid = site.console("sh")["pid"]
        stream = Stream(site.socket)
        channel = stream.attach("sh", write=True)
        stream.type(channel, b"kept=yes\n")
        stream.wait_output(channel, b"kept=yes")
        stream.close()
        site.restart_server()
        site.wait_up("sh")
        assert site.console("sh")["pid"] == pid
        assert site.server.stop() == 0
        site.start_server()
        site.wait_up("sh")
        assert site.console("sh")["pid"] == pid
        stream = Stream(site.socket)
        channel = stream.attach("sh", write=True)
        stream.type(channel, b"echo [$kept]\n")
        stream.wait_output(channel, b"[yes]")
        stream.close()


@limit(100)
def test_an_outage_longer_than_ring_and_spool_leaves_a_gap_that_accounts_exactly():
    with Site("[agent.rack1]\n" + numbered_lines(["n"], "rack1", 25000, 0), agents=["rack1"], local=False) as site:
        site.wait_logged("n", 1000)
        site.server.kill()
        time.sleep(6)  # at 2 MB/s: more than 1 MB of ring and 4 MB of spool
        site.start_server()

        def gap():
            return log_reader.markers(log_reader.read(site.log_path("n"), whole=False), "gap")
        eventually(gap, 30, "a gap marker")
        offset = gap()[0].offset + gap()[0].gap_bytes
        eventually(lambda: site.console("n")["log"]["end"] > offset + 6_000_000, 30, "output after the gap")
        site.server.stop()
        found = log_reader.check_numbered(site.log("n"))
        assert found.runs == 1 and found.gap_bytes > 0 and found.unknown_gaps == 0, found
