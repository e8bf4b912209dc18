"""Agents: a console moves from one to another, an agent that stops in order leaves nothing unknown."""
import log_reader
from harness import Equipment, Site, eventually, numbered_lines
from stream import Stream


def test_a_console_that_moves_to_another_agent_keeps_its_log_and_loses_nothing():
    box = Equipment()
    agents = "[agent.rack1]\n[agent.rack2]\n"
    text = '[console.box]\nline = "tcp"\nagent = "{}"\naddress = "' + box.address + '"\n'
    with Site(agents + text.format("rack1"), agents=["rack1", "rack2"], local=False) as site:
        site.wait_up("box")
        stream = Stream(site.socket)
        channel = stream.attach("box", write=True)
        box.say(b"from rack1\r\n")
        stream.wait_output(channel, b"from rack1\r\n")
        site.write_inventory(agents + text.format("rack2"))
        site.apply()
        eventually(lambda: site.console("box")["agent"] == "rack2" and site.console("box")["state"] == "up", 20, "the move")
        box.say(b"from rack2\r\n")
        stream.wait_output(channel, b"from rack2\r\n")
        stream.fate(channel, stream.type(channel, b"typed at rack2;"))
        box.wait_received(b"typed at rack2;")
        stream.close()
        site.server.stop()
        pieces = site.log("box")
        assert log_reader.output(pieces) == b"from rack1\r\nfrom rack2\r\n"
        assert len(log_reader.markers(pieces, "moved")) == 1
    box.close()


def test_a_moving_line_under_load_is_drained_first():
    agents = "[agent.rack1]\n[agent.rack2]\n"
    with Site(agents + numbered_lines(["n"], "rack1", 5000, 0), agents=["rack1", "rack2"], local=False) as site:
        site.wait_logged("n", 2000)
        site.write_inventory(agents + numbered_lines(["n"], "rack2", 5000, 0))
        site.apply()
        eventually(lambda: site.console("n")["agent"] == "rack2" and site.console("n")["state"] == "up", 20, "the move")
        end = site.console("n")["log"]["end"]
        eventually(lambda: site.console("n")["log"]["end"] > end + 200_000, 20, "output from the other agent")
        site.server.stop()
        pieces = site.log("n")
        gaps = log_reader.markers(pieces, "gap")
        assert not gaps, f"something was lost by the move: {gaps}"
        last = [int(line.split()[1]) for line in log_reader.output(pieces).split(b"\r\n") if line.count(b" ") >= 2]
        again = next(i for i in range(1, len(last)) if last[i] == 1)  # the other agent's line counts from 1
        assert last[:again] == list(range(1, again + 1)) and last[again:] == list(range(1, len(last) - again + 1))


def test_an_agent_that_stops_in_order_leaves_nothing_unknown():
    with Site('[console.e]\nline = "test"\n') as site:
        site.wait_up("e")
        assert site.agents["local"].stop() == 0
        site.start_agent("local")
        site.wait_up("e")
        site.server.stop()
        pieces = site.log("e")
        assert not log_reader.markers(pieces, "gap"), "an orderly end is no gap"
        assert any("stopped" in m.text for m in log_reader.markers(pieces, "down"))


def test_a_console_says_which_agent_it_waits_for():
    with Site('[agent.rack9]\n[console.e]\nline = "test"\nagent = "rack9"\n', local=False) as site:
        assert "rack9" in site.console("e")["detail"]
        assert "rack9" in site.oob("ls").stdout
