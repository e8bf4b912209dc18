"""The tunnel between agent and oobd is cut, or goes silent without closing: nothing is lost that ring and spool hold."""
import random
import time

import log_reader
from harness import Equipment, Site, eventually, limit, numbered_lines
from proxy import TcpProxy


def site_behind(inventory):
    """A site whose agent rack1 dials through a relay."""
    site = Site("[agent.rack1]\n" + inventory, local=False)
    site.enrol("rack1")
    proxy = TcpProxy(("127.0.0.1", site.port))
    site.start_agent("rack1", server=f"127.0.0.1:{proxy.port}")
    return site, proxy


@limit(120)
def test_50_logs_hold_every_line_once_after_20_cuts():
    names = [f"n{i:02}" for i in range(50)]
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    moments, lines = random.Random(seed), 3500
    site, proxy = site_behind(numbered_lines(names, "rack1", 100, lines))
    with site:
        site.wait_logged(names[-1], 1)
        for _ in range(20):
            time.sleep(moments.uniform(0, 1.0))  # a random moment is what is tested
            proxy.cut(accept=moments.random() < 0.7)
            time.sleep(moments.uniform(0, 0.5))
            proxy.resume()
        for name in names:
            site.wait_logged(name, lines, timeout_s=90)
        assert proxy.relayed >= 10, f"only {proxy.relayed} tunnels: the cuts cut nothing"
        site.server.stop()
        for name in names:
            found = log_reader.check_numbered(site.log(name))
            assert (found.lines, found.last, found.runs) == (lines, lines, 1), f"{name}: {found}"
            assert (found.gap_bytes, found.unknown_gaps) == (0, 0), f"{name}: {found}"
        proxy.close()


@limit(150)
def test_a_half_open_tunnel_is_noticed_and_nothing_is_lost():
    names = [f"n{i}" for i in range(8)]
    site, proxy = site_behind(numbered_lines(names, "rack1", 50, 3000))
    with site:
        site.wait_logged(names[-1], 20)
        agent, mark = site.agents["rack1"], site.server.mark()
        agent_mark = agent.mark()
        began = time.monotonic()
        proxy.silence()
        eventually(lambda: site.console(names[0])["state"] == "no-agent", 60, "oobd to notice the silence")
        noticed = time.monotonic() - began
        assert 10 < noticed < 40, f"noticed after {noticed:.0f} s"
        site.server.wait_log("rack1", since=mark)
        proxy.resume(drop=True)
        agent.wait_log("agent: connected", since=agent_mark, timeout_s=45)
        for name in names:
            site.wait_logged(name, 3000, timeout_s=90)
        site.server.stop()
        for name in names:
            found = log_reader.check_numbered(site.log(name))
            assert (found.lines, found.runs, found.gap_bytes, found.unknown_gaps) == (3000, 1, 0, 0), f"{name}: {found}"
        proxy.close()


def test_what_a_device_says_while_the_tunnel_is_away_is_in_the_log():
    box = Equipment()
    site, proxy = site_behind(f'[console.box]\nline = "tcp"\nagent = "rack1"\naddress = "{box.address}"\n')
    with site:
        site.wait_up("box")
        proxy.cut(accept=False)
        eventually(lambda: site.console("box")["state"] == "no-agent", 10, "the link to be gone")
        for number in range(100):
            box.say(b"away %03d\r\n" % number)
        proxy.resume()
        site.wait_up("box", timeout_s=40)
        want = b"".join(b"away %03d\r\n" % number for number in range(100))
        eventually(lambda: log_reader.output(log_reader.read(site.log_path("box"), whole=False)) == want, 20, "the log")
        proxy.close()
    box.close()
