"""An agent of the minor version before this one, as it was released, works with the oobd of today. tests/old-agent builds
it from its sources in tests/golden."""
import os
import shutil
import subprocess

import log_reader
from harness import ROOT, Daemon, SHELL_USER, Site, eventually, numbered_lines
from stream import Stream

OLD = os.path.join(ROOT, "build/old-agent/oob-agent")
INVENTORY = ("[agent.rack1]\n" + numbered_lines(["n"], "rack1", 2000, 0)
             + f'[console.sh]\nline = "exec"\nagent = "rack1"\ncommand = ["/bin/cat"]\nuser = "{SHELL_USER}"\n')
NEWER = INVENTORY + '[console.new]\nline = "test"\nagent = "rack1"\nbanner = "hello"\n'


def start_old(site):
    subprocess.run([os.path.join(ROOT, "tests/old-agent")], check=True)
    path = site.write_agent_config("rack1")
    known = ("name", "server", "state", "rings", "[allow]", "programs", "tcp", "unix", "test")  # its own file holds no more
    with open(path) as file:
        lines = [line for line in file if line.split(" ")[0].strip() in known]
    with open(path, "w") as file:
        file.writelines(lines)
    agent = Daemon("old agent", [OLD, "run", "--foreground", "--config", path], "agent: connected")
    site.agents["rack1"] = agent
    site.daemons.append(agent)
    return agent


def join_old(site):
    subprocess.run([os.path.join(ROOT, "tests/old-agent")], check=True)
    done = subprocess.run([OLD, "join", "--server", f"127.0.0.1:{site.port}", "--state", f"{site.folder}/agents/rack1"],
                          input=site.token("rack1") + "\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def row(site, name="rack1"):
    return next(row for row in site.rest("GET", "/v1/agents")["agents"] if row["name"] == name)


def test_an_old_agent_enrols_serves_and_is_killed_without_loss():
    with Site(INVENTORY, local=False) as site:
        join_old(site)
        agent = start_old(site)
        site.wait_up("n", "sh")
        assert row(site)["version"] == "0.1.0" and row(site)["age"] == "older", row(site)
        assert "0.1.0 (older)" in site.oob("agent", "ls").stdout
        stream = Stream(site.socket)
        channel = stream.attach("sh", write=True)
        stream.fate(channel, stream.type(channel, b"to the old one\r"))
        stream.wait_output(channel, b"to the old one")
        stream.close()
        for victim in ("server", "agent", "server", "agent"):
            end = site.console("n")["log"]["end"]
            eventually(lambda: site.console("n")["log"]["end"] > end + 100_000, 20, "output")
            if victim == "server":
                site.restart_server()
            else:
                agent.kill()
                agent = start_old(site)
            site.wait_up("n")
        agent.stop()
        site.server.stop()
        pieces = site.log("n")
        restarts = [gap for gap in log_reader.markers(pieces, "gap") if "agent restarted" in gap.text]
        assert len(restarts) == 2 and log_reader.markers(pieces, "gap") == restarts, log_reader.markers(pieces, "gap")


def test_an_old_agent_keeps_a_line_down_that_needs_a_newer_one_and_runs_the_others():
    with Site(NEWER, local=False) as site:
        join_old(site)
        agent = start_old(site)
        site.wait_up("n", "sh")
        eventually(lambda: "needs a newer agent" in site.console("new")["detail"], 10, "the reason")
        detail = site.console("new")["detail"]
        assert site.console("new")["state"] == "down" and "0.1.0" in detail and '"banner"' in detail, detail
        # Upgraded in place: its state, its rings, its certificate. All lines are up.
        agent.stop()
        site.start_agent("rack1")
        site.wait_up("n", "sh", "new")
        assert row(site).get("age", "") == "", row(site)
        eventually(lambda: b"hello\r\n" in log_reader.output(site.log("new")), 10, "the banner")
        site.server.stop()
        assert not log_reader.markers(site.log("n"), "gap")
        assert not log_reader.markers(site.log("new"), "gap")


def test_an_upgraded_agent_reads_what_the_old_one_spilled():
    text = "[agent.rack1]\n" + numbered_lines(["n"], "rack1", 50_000, 40_000)
    with Site(text, local=False) as site:
        join_old(site)
        site.write_agent_config("rack1")
        agent = start_old(site)
        site.server.kill()
        spool = f"{site.folder}/agents/rack1/spool"
        eventually(lambda: os.path.isdir(spool) and os.listdir(spool), 20, "the old agent's spool")
        agent.kill()
        spilled = sum(os.path.getsize(f"{spool}/{name}") for name in os.listdir(spool))
        shutil.rmtree(f"{site.folder}/agents/rack1/rings")
        site.start_server()
        site.start_agent("rack1")
        site.wait_up("n")
        eventually(lambda: not os.listdir(spool), 20, "an empty spool")
        site.server.stop()
        pieces = site.log("n")
        assert any("lost its ring" in gap.text for gap in log_reader.markers(pieces, "gap"))
        assert len(log_reader.output(pieces)) > spilled / 2
