"""Renewal: an agent's certificate renews itself over the tunnel, nothing is lost by it, and a crash at any point leaves an
agent that still gets in."""
import glob
import os
import random
import shutil
import sqlite3
import subprocess
import time

import log_reader
from harness import Daemon, Site, eventually, limit, numbered_lines, program

DAY_MS = 24 * 3600 * 1000


def database(site):
    return sqlite3.connect(glob.glob(f"{site.folder}/state/db/*.sqlite")[0], timeout=10)


def age(site, days):
    """The server is down: what it knows of certificates becomes older."""
    base = database(site)
    with base:
        base.execute("UPDATE agent SET issued_at = issued_at - ?", (days * DAY_MS,))
    base.close()


def certificate(site, agent="rack1"):
    with open(f"{site.folder}/agents/{agent}/agent.pem") as file:
        return file.read()


def renewed_file(site):
    return f"{site.folder}/agents/rack1/renewed.pem"


def wait_renewed(site, before):
    eventually(lambda: certificate(site) != before and not os.path.exists(renewed_file(site)), 20, "a new certificate")


def agent_row(site, name):
    return next(row for row in site.rest("GET", "/v1/agents")["agents"] if row["name"] == name)


def run(site, state, name="copy"):
    """A second agent rack1 with another state folder."""
    path = f"{site.folder}/agents/{name}.toml"
    text = open(site.write_agent_config("rack1")).read().replace(f"{site.folder}/agents/rack1", state)
    with open(path, "w") as file:
        file.write(text)
    agent = Daemon(name, [program("oob-agent"), "run", "--foreground", "--config", path], None)
    agent.may_end = True
    site.daemons.append(agent)
    return agent


def test_a_certificate_renews_itself_under_load_without_losing_a_byte_and_the_old_one_is_refused():
    text = "[agent.rack1]\n" + numbered_lines(["n"], "rack1", 5000, 60_000)
    with Site(text, agents=["rack1"], local=False) as site:
        site.wait_up("n")
        before = certificate(site)
        shutil.copytree(f"{site.folder}/agents/rack1", f"{site.folder}/thief",
                        ignore=shutil.ignore_patterns("rings", "spool", "lock"))
        site.server.kill()
        age(site, 61)
        site.start_server()
        wait_renewed(site, before)
        site.server.wait_log("the renewed certificate is in use")
        assert os.stat(f"{site.folder}/agents/rack1/agent.key").st_mode & 0o777 == 0o600
        site.wait_logged("n", 60_000, timeout_s=60)
        mark = site.server.mark()
        site.agents["rack1"].kill()
        run(site, f"{site.folder}/thief")
        site.server.wait_log("renewed its own", since=mark, timeout_s=15)
        site.start_agent("rack1")
        assert site.server.stop() == 0
        pieces = site.log("n")
        numbers = [int(line.split()[1]) for line in log_reader.output(pieces).split(b"\r\n") if line.count(b" ") >= 2]
        assert numbers == list(range(1, 60_001)), f"{len(numbers)} lines"
        gaps = [gap for gap in log_reader.markers(pieces, "gap") if "agent restarted" not in gap.text]
        assert not gaps, gaps


def test_a_young_certificate_is_left_alone():
    with Site("[agent.rack1]\n", agents=["rack1"], local=False) as site:
        before = certificate(site)
        site.server.kill()
        age(site, 59)
        mark = site.agents["rack1"].mark()
        site.start_server()
        site.agents["rack1"].wait_log("agent: connected", since=mark, timeout_s=20)
        site.agents["rack1"].stop()
        assert certificate(site) == before


def test_a_revoked_agent_renews_nothing():
    with Site("[agent.rack1]\n", agents=["rack1"], local=False) as site:
        before = certificate(site)
        site.agents["rack1"].kill()
        site.oob("agent", "revoke", "rack1")
        site.server.kill()
        age(site, 80)
        site.start_server()
        again = site.start_agent("rack1", wait=False)
        again.wait_log("revoked", timeout_s=15)
        assert certificate(site) == before and not os.path.exists(renewed_file(site))


@limit(240)
def test_kills_at_any_moment_of_a_renewal_leave_an_agent_that_gets_in():
    dice = random.Random(int(os.environ.get("OOB_SEED", "7")))
    with Site("[agent.rack1]\n", agents=["rack1"], local=False) as site:
        renewals = 0
        for turn in range(14):
            site.agents["rack1"].kill()
            site.server.kill()
            age(site, 70)
            before = certificate(site)
            server = site.start_server()
            agent = site.start_agent("rack1", wait=False)
            victim = dice.choice([server, agent])
            agent.wait_log(dice.choice(["agent: ready", "agent: connected", "agent: the certificate was renewed"]))
            if dice.random() < 0.7:  # else at once
                time.sleep(dice.random() * 0.03)  # not a wait: the moment at which it is killed
            victim.kill()
            if victim is server:
                site.start_server()
            else:
                agent = site.start_agent("rack1", wait=False)
            eventually(lambda: agent_row(site, "rack1")["state"] == "connected", 30, f"turn {turn}")
            wait_renewed(site, before)
            renewals += 1
        assert renewals == 14


def test_an_agent_whose_renewed_certificate_the_server_has_forgotten_falls_back_to_the_old_one():
    with Site("[agent.rack1]\n", agents=["rack1"], local=False) as site:
        site.agents["rack1"].kill()
        with Site("[agent.rack1]\n", agents=["rack1"], local=False) as other:  # any other key and certificate
            folder = f"{other.folder}/agents/rack1"
            both = open(f"{folder}/agent.key").read() + open(f"{folder}/agent.pem").read()
        with open(renewed_file(site), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(both)
        agent = site.start_agent("rack1", wait=False)
        agent.wait_log("agent: connected", timeout_s=20)
        agent.wait_log("the old one stays in use")
        eventually(lambda: not os.path.exists(renewed_file(site)))


def test_an_expired_certificate_is_refused_and_both_ends_say_what_to_do():
    with Site("[agent.rack1]\n", agents=["rack1"], local=False) as site:
        site.agents["rack1"].stop()
        folder = f"{site.folder}/agents/rack1"
        ca = f"{site.folder}/state/ca"
        request = subprocess.run(["openssl", "req", "-new", "-key", f"{folder}/agent.key", "-subj", "/CN=rack1"],
                                 check=True, capture_output=True).stdout
        with open(f"{site.folder}/extensions", "w") as file:
            file.write("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                       "extendedKeyUsage=critical,clientAuth\nauthorityKeyIdentifier=keyid:always\n")
        with open(f"{site.folder}/ca.cnf", "w") as file:
            file.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={site.folder}/index\nnew_certs_dir={site.folder}\n"
                       f"rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        open(f"{site.folder}/index", "w").close()
        with open(f"{site.folder}/request", "wb") as file:
            file.write(request)
        subprocess.run(["openssl", "ca", "-batch", "-config", f"{site.folder}/ca.cnf", "-cert", f"{ca}/ca.pem", "-keyfile",
                        f"{ca}/ca.key", "-in", f"{site.folder}/request", "-out", f"{folder}/agent.pem", "-notext",
                        "-startdate", "20200101000000Z", "-enddate", "20200401000000Z", "-extfile",
                        f"{site.folder}/extensions"], check=True, capture_output=True)
        agent = site.start_agent("rack1", wait=False)
        agent.wait_log("expired.*oob agent enroll rack1", timeout_s=15)
        agent.wait_log("refused our certificate: it has expired.*oob-agent join", timeout_s=15)
        site.server.wait_log("certificate of agent rack1 has expired; run `oob agent enroll rack1`", timeout_s=15)
        agent.stop()
        site.enrol("rack1")
        site.start_agent("rack1")
