"""An agent's machine is rebooted while its server is away: tmpfs is gone, the disk is not."""
import os
import shutil

import log_reader
from harness import Equipment, Site, eventually

BOX = '[agent.rack1]\n[console.box]\nline = "tcp"\nagent = "rack1"\naddress = "{}"\n'


def numbers(pieces):
    return [int(line) for line in log_reader.output(pieces).split(b"\r\n") if line.isdigit()]


def say(box, first, count):
    box.say(b"".join(b"%080d\r\n" % n for n in range(first, first + count)))


def spool_bytes(site):
    folder = f"{site.folder}/agents/rack1/spool"
    return sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder))


def reboot(site, in_order):
    agent = site.agents["rack1"]
    agent.stop() if in_order else agent.kill()
    shutil.rmtree(f"{site.folder}/agents/rack1/rings")


def outage(in_order):
    """What of 40,000 lines said while the server was away is in the log after a reboot, and the log's gaps."""
    box = Equipment()
    with Site(BOX.format(box.address), agents=["rack1"], local=False) as site:
        site.wait_up("box")
        say(box, 0, 10)
        eventually(lambda: len(numbers(site.log("box"))) == 10, 10, "ten lines")
        site.server.kill()
        site.agents["rack1"].wait_log("lost the server")
        say(box, 10, 40_000)  # held back by the kernel until the agent takes the server for gone
        eventually(lambda: spool_bytes(site) > 1_500_000, 20, "the spool")
        reboot(site, in_order)
        site.start_server()
        site.start_agent("rack1")
        site.wait_up("box")
        say(box, 50_000, 1)
        eventually(lambda: 50_000 in numbers(site.log("box")), 30, "what came after")
        eventually(lambda: spool_bytes(site) == 0, 20, "an empty spool")
        assert site.server.stop() == 0
        pieces = site.log("box")
        box.close()
        return numbers(pieces), log_reader.markers(pieces, "gap")


def test_after_an_orderly_reboot_all_that_was_said_is_in_the_log_then_the_gap():
    lines, gaps = outage(True)
    assert lines == [*range(0, 40_010), 50_000], f"{len(lines)} lines, {gaps}"
    assert len(gaps) == 1 and "lost its ring" in gaps[0].text, gaps


def test_after_a_sudden_reboot_what_was_on_disk_is_in_the_log_then_the_gap():
    lines, gaps = outage(False)
    kept = lines[:-1]
    assert lines[-1] == 50_000 and kept == list(range(len(kept))) and len(kept) > 15_000, f"{len(lines)} lines"
    assert len(gaps) == 1 and "lost its ring" in gaps[0].text, gaps
