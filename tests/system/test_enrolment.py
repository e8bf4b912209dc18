"""Enrolment: who has no token, no certificate of this server's CA, or was revoked, does not get in, and it is said why."""
import base64
import glob
import os
import shutil
import sqlite3
import stat
import time

from harness import Daemon, SANITIZED, Site, eventually, program

ECHO = '[agent.rack1]\n[console.echo]\nline = "test"\nagent = "rack1"\n'


def agent_row(site, name):
    return next(row for row in site.rest("GET", "/v1/agents")["agents"] if row["name"] == name)


def start(site, name, config_server=None):
    """An agent that need not connect."""
    agent = site.start_agent(name, server=config_server, wait=False)
    agent.may_end = True
    return agent


def test_an_agent_joins_with_a_token_and_keeps_its_key_to_itself():
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        row = agent_row(site, "rack1")
        assert row["state"] == "connected" and row["certificate_until"], row
        key = f"{site.folder}/agents/rack1/agent.key"
        assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
        secret = open(key, "rb").read()
        for folder, _, files in os.walk(f"{site.folder}/state"):
            for name in files:
                assert secret not in open(os.path.join(folder, name), "rb").read(), name


def refused(site, token, *words, state="other"):
    folder = f"{site.folder}/{state}"
    done = site.join("rack1", token, state=folder)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert any(word in said for word in words), said
    assert token not in said and token not in "\n".join(site.server.lines), "the token was shown"
    left = [f for f in glob.glob(f"{folder}/*") if os.path.getsize(f)]
    assert not left, f"a failed join left {left}"


def test_a_wrong_a_used_and_an_expired_token_are_refused_and_it_is_said_which():
    with Site(ECHO, local=False) as site:
        token = site.token("rack1")
        # As common/crypto/token.h has it: version, length of name, name, secret, fingerprint. One bit of the secret differs.
        raw = bytearray(base64.urlsafe_b64decode(token[5:] + "=" * (-len(token[5:]) % 4)))
        raw[2 + len("rack1") + 7] ^= 1
        wrong = "oob1." + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        refused(site, wrong, "wrong", "not known", "unknown", "no such", state="w1")
        refused(site, token[:len(token) // 2], "token", state="w2")
        refused(site, "oob1.nonsense", "token", state="w3")
        done = site.join("rack1", token)
        assert done.returncode == 0, done.stdout + done.stderr
        refused(site, token, "used", state="w4")
        late = site.token("rack1")
        assert site.server.stop() == 0
        database = sqlite3.connect(glob.glob(f"{site.folder}/state/db/*.sqlite*")[0])
        with database:
            assert database.execute("UPDATE token SET expires_at = 1000 WHERE used_at = 0").rowcount == 1
        database.close()
        site.start_server()
        refused(site, late, "expired", state="w5")


def test_a_token_of_another_server_is_refused_by_the_agent_itself():
    with Site(ECHO, local=False) as site, Site(ECHO, local=False) as other:
        done = site.join("rack1", other.token("rack1"), state=f"{site.folder}/x")
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "token" in said, said


def test_a_certificate_of_another_ca_is_refused_and_both_sides_say_so():
    with Site(ECHO, local=False) as site, Site(ECHO, local=False) as other:
        other.enrol("rack1")
        shutil.copytree(f"{other.folder}/agents/rack1", f"{site.folder}/agents/rack1")
        # With the right server's CA beside it, so that it is the server that refuses.
        mark = site.server.mark()
        shutil.copy(f"{site.folder}/state/ca/ca.pem", f"{site.folder}/agents/rack1/ca.pem")
        agent = start(site, "rack1")
        site.server.wait_log(r"(?i)another CA|unknown ca|certificate", since=mark, timeout_s=15)
        agent.wait_log(r"(?i)another CA|unknown ca|certificate", timeout_s=15)
        assert agent_row(site, "rack1")["state"] != "connected"
        agent.kill()
        # And with its own CA: then it is the agent that refuses the server.
        shutil.copy(f"{other.folder}/state/ca/ca.pem", f"{site.folder}/agents/rack1/ca.pem")
        agent = start(site, "rack1")
        agent.wait_log(r"(?i)another CA|certificate", timeout_s=15)
        assert agent_row(site, "rack1")["state"] != "connected"


def test_a_revoked_agent_is_cut_within_a_second_and_stays_out():
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        agent = site.agents["rack1"]
        agent.may_end = True
        began = time.monotonic()
        site.oob("agent", "revoke", "rack1")
        eventually(lambda: site.console("echo")["state"] == "no-agent")
        took = time.monotonic() - began
        assert took < 1 or SANITIZED, f"{took:.2f} s"
        assert site.console("echo")["detail"] == "agent rack1 was revoked", site.console("echo")
        assert agent_row(site, "rack1")["state"] == "revoked"
        agent.kill()
        mark = site.server.mark()
        again = start(site, "rack1")
        site.server.wait_log("(?i)revoked", since=mark, timeout_s=15)
        again.wait_log("cannot reach the server", timeout_s=15)
        assert agent_row(site, "rack1")["state"] == "revoked"
        again.kill()
        # A fresh token lets it in again, with a new key.
        shutil.rmtree(f"{site.folder}/agents/rack1")
        site.enrol("rack1")
        site.start_agent("rack1")
        site.wait_up("echo")


def second(site, state):
    """A second agent of the name rack1 with the state folder given."""
    path = f"{site.folder}/agents/second.toml"
    text = open(site.write_agent_config("rack1")).read().replace(f"{site.folder}/agents/rack1", state)
    with open(path, "w") as file:
        file.write(text)
    agent = Daemon("second rack1", [program("oob-agent"), "run", "--foreground", "--config", path], None)
    agent.may_end = True
    site.daemons.append(agent)
    return agent


def test_a_second_agent_with_the_same_key_does_not_push_out_a_live_first():
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        shutil.copytree(f"{site.folder}/agents/rack1", f"{site.folder}/copy", ignore=shutil.ignore_patterns("rings"))
        since = agent_row(site, "rack1")["since"]
        mark = site.server.mark()
        twin = second(site, f"{site.folder}/copy")
        site.server.wait_log("rack1", since=mark, timeout_s=15)
        assert agent_row(site, "rack1")["since"] == since
        assert not twin.find_log("agent: connected"), "the second got in beside the first"
        # The first is silent (stopped): now the newer one wins.
        site.agents["rack1"].signal(19)  # SIGSTOP
        twin.wait_log("agent: connected", timeout_s=45)


def test_an_agent_with_a_replaced_key_is_refused():
    with Site(ECHO, agents=["rack1"], local=False) as site:
        site.wait_up("echo")
        site.agents["rack1"].kill()
        os.rename(f"{site.folder}/agents/rack1", f"{site.folder}/old")
        site.enrol("rack1")
        mark = site.server.mark()
        old = second(site, f"{site.folder}/old")
        site.server.wait_log("rack1 has enrolled again with another key", since=mark, timeout_s=15)
        old.wait_log("cannot reach the server", timeout_s=15)
        assert agent_row(site, "rack1")["state"] != "connected"
        old.kill()
        site.start_agent("rack1")
        site.wait_up("echo")
