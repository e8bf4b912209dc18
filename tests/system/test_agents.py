"""Agents: a console moves from one to another, an agent that stops in order leaves nothing unknown."""
import os
import shutil
import signal
import socket
import time

import log_reader
from harness import Daemon, Equipment, Site, eventually, numbered_lines, program
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


def test_a_second_connection_that_goes_at_once_leaves_the_server_alone():
    with Site('[console.e]\nline = "test"\n') as site:
        site.wait_up("e")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as end:
                end.connect(f"{site.folder}/a")

        def said_to_a_second():
            with socket.socket(socket.AF_UNIX) as end:  # this one stays and is refused in words
                end.connect(f"{site.folder}/a")
                end.settimeout(10)
                said = b""
                while chunk := end.recv(4096):
                    said += chunk
            return b"agent local is connected already" in said
        eventually(said_to_a_second, 20, "a refusal in words")  # until the server has seen the others go
        assert site.server.alive() and site.console("e")["state"] == "up"


def test_an_agent_that_cannot_keep_a_line_says_why_and_is_not_asked_in_a_loop():
    with Site('[agent.rack1]\n[console.e]\nline = "test"\nagent = "rack1"\n', local=False) as site:
        site.enrol("rack1")
        rings = f"{site.folder}/agents/rack1/rings"
        os.makedirs(f"{rings}/e.ring")  # a folder where the ring's file should be
        site.start_agent("rack1")
        eventually(lambda: "ring" in site.console("e")["detail"], 10, "the reason")
        size = os.path.getsize(site.log_path("e"))
        time.sleep(1)  # in which nothing is to happen
        assert os.path.getsize(site.log_path("e")) - size < 300, open(site.log_path("e")).read()[-600:]


def test_one_state_folder_serves_one_agent_and_one_identity():
    with Site("[agent.rack1]\n[agent.rack2]\n", agents=["rack1"], local=False) as site:
        done = site.join("rack1", site.token("rack1"))
        assert done.returncode != 0 and "stop it first" in done.stderr, done.stderr
        second = site.start_agent("rack1", wait=False)
        second.wait_log("stop it first")
        site.daemons.remove(second)
        site.agents["rack1"] = site.daemons[-1]
        assert site.agents["rack1"].stop() == 0
        other = site.join("rack1", site.token("rack2"))
        assert other.returncode != 0 and "identity of agent rack1" in other.stderr, other.stderr


def test_a_console_that_is_removed_and_comes_back_goes_on_without_a_gap():
    text = '[console.e]\nline = "test"\nrate = 100\n'
    with Site(text) as site:
        site.wait_logged("e", 20)
        site.write_inventory('[console.other]\nline = "test"\n')
        site.apply()
        site.write_inventory(text)
        site.apply()
        site.wait_up("e")
        end = site.console("e")["log"]["end"]
        eventually(lambda: site.console("e")["log"]["end"] > end, 20, "output")
        site.server.stop()
        assert not log_reader.markers(site.log("e"), "gap")


def test_a_folder_without_files_removes_nothing():
    with Site('[console.e]\nline = "test"\n') as site:
        site.wait_up("e")
        os.rename(f"{site.folder}/inventory.d/site.toml", f"{site.folder}/away.toml")
        mark = site.server.mark()
        site.server.signal(signal.SIGHUP)
        site.server.wait_log("nothing was changed", since=mark)
        assert site.oob("inventory", "apply", check=False).returncode == 2
        assert site.console("e")["state"] == "up"


def test_who_closes_a_line_is_told_to_all():
    with Site('[console.e]\nline = "test"\n') as site:
        site.wait_up("e")
        stream = Stream(site.socket)
        channel = stream.attach("e")
        site.rest("POST", "/v1/consoles/e/down")
        assert "closed the line" in stream.wait(channel, "note")["text"]
        stream.close()


def test_a_revoked_agent_is_not_let_in_by_a_connection_that_waited():
    text = '[agent.rack1]\n[console.e]\nline = "test"\nagent = "rack1"\n'
    with Site(text, agents=["rack1"], local=False) as site:
        site.wait_up("e")
        # The same identity a second time, as a thief of the state folder would have it.
        thief = f"{site.folder}/agents/thief"
        shutil.copytree(f"{site.folder}/agents/rack1", thief, ignore=shutil.ignore_patterns("rings", "spool", "lock"))
        with open(site.write_agent_config("rack1")) as file:
            config = file.read().replace("agents/rack1", "agents/thief")
        with open(f"{thief}.toml", "w") as file:
            file.write(config)
        second = Daemon("thief", [program("oob-agent"), "run", "--foreground", "--config", f"{thief}.toml"], None)
        site.daemons.append(second)
        second.wait_log("ready")
        site.oob("agent", "revoke", "rack1")
        second.wait_log("revoked|connected already", timeout_s=20)
        site.agents["rack1"].wait_log("revoked", timeout_s=20)
        agents = {agent["name"]: agent["state"] for agent in site.rest("GET", "/v1/agents")["agents"]}
        assert agents["rack1"] == "revoked", agents


def test_numbers_given_anew_by_a_restarted_server_stall_no_line():
    names = ["aa", "bb", "cc"]
    with Site("[agent.rack1]\n" + numbered_lines(names, "rack1", 5000, 0), agents=["rack1"], local=False) as site:
        for name in names:
            site.wait_logged(name, 100)
        site.agents["rack1"].stop()
        site.write_inventory("[agent.rack1]\n" + numbered_lines(["aa", "cc"], "rack1", 5000, 0))
        site.apply()
        site.restart_server()
        site.start_agent("rack1")
        site.wait_up("aa", "cc")
        for name in ("aa", "cc"):  # far more than a ring holds, and past the time in which bb drains
            end = site.console(name)["log"]["end"]
            eventually(lambda: site.console(name)["log"]["end"] > end + 2_500_000, 60, f"output of {name}")


def test_an_assignment_that_cannot_be_sent_is_refused_by_the_checker():
    with Site('[console.e]\nline = "test"\n') as site:
        site.wait_up("e")
        words = ", ".join(['"' + "x" * 1000 + '"'] * 5000)
        site.write_inventory(f'[console.e]\nline = "test"\n[console.big]\nline = "exec"\ncommand = ["/bin/cat", {words}]\n')
        done = site.oob("inventory", "apply", check=False)
        assert done.returncode == 2 and "more than one agent can be sent" in done.stdout + done.stderr, done
        assert site.console("e")["state"] == "up"


def test_agents_are_told_about_with_how_it_goes_there_and_why_they_were_lost():
    with Site("[agent.rack1]\n" + numbered_lines(["n"], "rack1", 100, 0), agents=["rack1"]) as site:
        def row(name="rack1"):
            return next(row for row in site.rest("GET", "/v1/agents")["agents"] if row["name"] == name)
        eventually(lambda: {"uptime_s", "round_trip_ms", "clock_ahead_ms", "ring", "spool"} <= row().keys(), 10, "figures")
        assert abs(row()["clock_ahead_ms"]) < 1000 and "last_loss" not in row(), row()
        listed = site.oob("agent", "ls", "rack1").stdout
        assert "rack1" in listed and "local" not in listed, listed
        said = site.oob("agent", "info", "rack1").stdout
        assert "uptime:" in said and "clock:           as ours" in said and "until 20" in said, said
        wrong = site.oob("agent", "ls", "rackk", check=False)
        assert wrong.returncode == 4 and 'did you mean "rack1"' in wrong.stderr, wrong
        wrong = site.oob("agent", "foo", check=False)
        assert wrong.returncode == 2 and "foo" in wrong.stderr and "enroll, info, ls, revoke" in wrong.stderr, wrong
        site.agents["rack1"].kill()
        eventually(lambda: row()["state"] == "away", 10, "its absence")
        assert "closed the connection" in site.oob("agent", "info", "rack1").stdout
        site.start_agent("rack1")
        eventually(lambda: row()["state"] == "connected" and "closed" in row()["last_loss"]["reason"], 10, "the loss")
        assert "last lost:" in site.oob("agent", "info", "rack1").stdout
