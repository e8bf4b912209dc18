"""Who has the console of a BMC: others hold it, take it, die with it; BMCs forget, refuse and fall silent; we are killed.
Our console says why it is down, comes back by itself, and leaves nothing behind that throws it out later."""
import glob
import os
import re
import signal
import subprocess
import time

import log_reader
from bmc import PASSWORD, RudeBmc, SolSite, answers, ipmitool, ipmitool_console, leave, sol_console, type_all, writer_of
from harness import SLOW, alone, eventually, limit

ROUNDS = int(os.environ.get("OOB_SOL_ROUNDS", 3))


def wait_ghosts(bmc, witness):
    """Until a session that opens now and then falls silent is over: so are all that fell silent before."""
    terminal = ipmitool_console(bmc, which=witness)
    terminal.process.kill()
    terminal.close()
    bmc.wait(lambda state: state["dropped"].get("timed out", 0) > 0, witness, 60, "the end of a silent session")


def test_why_a_bmc_refuses_us_is_said_in_words_and_its_end_is_waited_for():
    orders = ("user 2 admin other admin", "user 2 other secret admin", "suites 0", "sessions 0", "user 2 admin secret admin no-sol",
              "fault wrong-rakp2 1", "fault wrong-rakp4 1", "kg a-key-of-its-own", "hold 192.0.2.9", "silent", "code 6 48 81")
    words = (r"password", r"user", r"suite", r"session|resources", r"privilege|right|may", r"password",
             r"password|key|check|is not", r"K_g|password", r"in use by user 2 from 192\.0\.2\.9", r"answer", r"switched off")
    mended = ("user 2 admin secret admin", "user 2 admin secret admin", "suites 17", "sessions 8", "user 2 admin secret admin",
              "fault wrong-rakp2 0", "fault wrong-rakp4 0", "kg", "release", "silent 0", "code")
    with RudeBmc(len(orders)) as bmc:
        names = [f"c{which}" for which in range(len(orders))]
        for which, order in enumerate(orders):
            bmc.order(order, which)
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            for which, name in enumerate(names):
                def told():
                    console = site.console(name)
                    return console["state"] != "up" and re.search(words[which], console["detail"])
                eventually(told, 40, f"words /{words[which]}/ for `{orders[which]}`; is {site.console(name)['detail']}")
                print(f"{orders[which]}: {site.console(name)['detail']}")
            for which, order in enumerate(mended):
                bmc.order(order, which)
            site.server.signal(signal.SIGUSR1)  # retries lines that are down
            site.wait_up(*names, timeout_s=60)
            for name in names:
                answers(site, name)


def test_a_wrong_password_is_tried_once_and_then_the_line_rests_and_what_passes_is_tried_on():
    with RudeBmc(4) as bmc:
        bmc.order("user 2 admin other admin", 0)
        bmc.order("kg a-key-of-its-own", 1)
        bmc.order("sessions 0", 2)
        bmc.order("user 2 admin secret user", 3)
        with SolSite("".join(sol_console(f"c{which}", bmc, which, privilege="operator") for which in range(4))) as site:
            for name in ("c0", "c1"):
                site.wait_detail(name, "the next try is in 10 minutes")
                assert "^Eco" in site.console(name)["detail"], site.console(name)
            for which in (2, 3):
                bmc.wait(lambda state: state["commands"].get("06 38", 0) >= 5, which, 30, "five tries of a line that does not rest")
                assert "10 minutes" not in site.console(f"c{which}")["detail"], site.console(f"c{which}")
            assert [bmc.state(which)["commands"]["06 38"] for which in (0, 1)] == [1, 1]
            bmc.order("user 2 admin secret admin", 0)
            site.rest("POST", "/v1/consoles/c0/retry")
            site.wait_up("c0")


def test_suites_are_tried_from_the_strongest_and_the_one_found_is_told():
    with RudeBmc(3) as bmc:
        bmc.order("suites 3,17", 0)
        bmc.order("suites 0,1,2,3", 1)
        bmc.order("suites 0,8", 2)
        with SolSite(sol_console("a", bmc, 0) + sol_console("b", bmc, 1) + sol_console("c", bmc, 2, suite="8")) as site:
            site.wait_up("a", "b", "c")
            assert [bmc.state(which)["sessions"][0]["suite"] for which in range(3)] == [17, 3, 8]
            assert all(bmc.state(which)["sol"]["encrypted"] for which in range(3))
            assert "suite" in site.oob("info", "a").stdout


def test_a_right_of_an_operator_is_enough():
    with RudeBmc(2) as bmc:
        bmc.order("user 2 admin secret operator")
        with SolSite(sol_console("a", bmc, 0) + sol_console("b", bmc, 1, privilege="administrator")) as site:
            site.wait_up("a")
            answers(site, "a")
            site.wait_detail("b", "privilege", 30)


@limit(240)
def test_a_console_that_is_taken_away_says_so_and_comes_back_when_it_is_free():
    orders = ("steal 192.0.2.9", "steal-silently 192.0.2.9", "deactivate", "deactivate-silently", "reset 3")
    with RudeBmc(len(orders)) as bmc:
        names = [f"c{which}" for which in range(len(orders))]
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            site.wait_up(*names)
            for which, order in enumerate(orders):
                bmc.wait_ours(which)
                bmc.order(order, which)
            began = time.monotonic()
            for which in (0, 1):
                eventually(lambda: site.console(names[which])["state"] != "up", 30, f"{orders[which]} to be noticed")
                site.wait_detail(names[which], "192.0.2.9", 30)
            assert time.monotonic() - began < 60 * SLOW
            for which in (2, 3, 4):
                bmc.wait_ours(which, 60)
                site.wait_up(names[which], timeout_s=30)
                assert log_reader.markers(log_reader.read(site.log_path(names[which]), whole=False), "down")
            bmc.order("release")
            for which, name in enumerate(names):
                bmc.wait_ours(which, 60)
                site.wait_up(name)
                answers(site, name)


def test_a_console_is_taken_from_others_only_if_that_is_asked_for_and_the_log_says_from_whom():
    with RudeBmc(3) as bmc:
        bmc.order("hold 192.0.2.9")
        with SolSite(sol_console("waits", bmc, 0) + sol_console("asks", bmc, 1, busy="ask") +
                     sol_console("steals", bmc, 2, busy="steal")) as site:
            site.wait_up("steals")
            site.wait_noted("steals", "192.0.2.9")
            answers(site, "steals")
            site.wait_detail("asks", "deactivate")
            site.wait_detail("waits", "in use by")
            assert not bmc.state(0)["sol"]["ours"] and not bmc.state(1)["sol"]["ours"]
            assert not bmc.state(0)["commands"].get("06 49"), "nothing was deactivated"


def test_a_flap_of_the_network_or_a_power_cycle_is_no_end_of_the_session():
    with RudeBmc(2) as bmc, SolSite(sol_console("a", bmc, 0) + sol_console("b", bmc, 1)) as site:
        site.wait_up("a", "b")
        sessions = [bmc.wait_ours(which)["sol"]["session"] for which in (0, 1)]
        ipmitool(bmc, "chassis", "power", "on", which=1)
        ipmitool(bmc, "chassis", "power", "cycle", which=1)
        eventually(lambda: site.oob("log", "b").stdout.count("[host: power on]") == 2, 10, "the host to start twice")
        answers(site, "b")
        bmc.order("silent 5", 0)
        stream, channel = writer_of(site, "a")
        type_all(stream, channel, b"typed into the silence")
        leave(stream, channel)
        site.wait_noted("a", "may not have arrived")  # keys are not kept for later
        answers(site, "a", b"after it")
        assert bmc.state(0)["dropped"]["silent"] > 0
        assert [bmc.state(which)["sol"]["session"] for which in (0, 1)] == sessions
        assert site.console("a")["state"] == "up"


def test_a_long_silence_is_noticed_and_the_console_is_back_when_it_ends():
    with RudeBmc() as bmc, SolSite(sol_console("a", bmc)) as site:
        site.wait_up("a")
        bmc.order("silent")
        site.wait_detail("a", "answer", 40)
        bmc.order("silent 0")
        site.wait_up("a", timeout_s=60)
        answers(site, "a")


@limit(240)
def test_kill_9_with_the_session_open_leaves_no_ghost_that_ends_the_next_one():
    with RudeBmc(4, scale=3) as bmc:  # a session lasts for 20 s of silence, longer than we are silent
        bmc.order("fault ghost 1", "0-1")
        bmc.order("fault leak 1", 1)
        bmc.order("fault deaf-close 1 1", 2)
        names = ["a", "b", "c"]
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            site.wait_up(*names)
            before = [bmc.wait_ours(which)["sol"]["session"] for which in range(3)]
            site.agents["local"].kill()
            began = time.monotonic()
            site.start_agent("local")
            after = [bmc.wait(lambda state: state["sol"]["ours"] and state["sol"]["session"] != before[which], which, 20)["sol"]["session"]
                     for which in range(3)]
            assert time.monotonic() - began < 10 * SLOW
            site.wait_up(*names)
            # The time of a ghost comes and goes: the console that is open stays open.
            wait_ghosts(bmc, 3)
            assert [bmc.state(which)["sol"]["session"] for which in range(3)] == after
            for name in names:
                answers(site, name)


@alone
@limit(240)
def test_kill_9_with_many_sessions_open_all_are_back_within_10_s_and_stay():
    count = int(os.environ.get("OOB_SOL_COUNT", 200))
    with RudeBmc(count + 1, scale=3) as bmc:
        bmc.order("fault ghost 1")
        names = [f"c{which:04}" for which in range(count)]
        with SolSite("".join(sol_console(name, bmc, which) for which, name in enumerate(names))) as site:
            def up():
                return sum(console["state"] == "up" for console in site.rest("GET", "/v1/consoles")["consoles"])
            eventually(lambda: up() == count, 60, "all up")
            site.agents["local"].kill()
            began = time.monotonic()
            site.start_agent("local")
            eventually(lambda: up() == count, 30, "all up again")
            took = time.monotonic() - began
            print(f"{count} sessions back after {took:.1f} s")
            assert took < 10 * SLOW
            mark = site.agents["local"].mark()
            sessions = [bmc.state(which)["sol"]["session"] for which in range(0, count, 10)]
            wait_ghosts(bmc, count)
            assert [bmc.state(which)["sol"]["session"] for which in range(0, count, 10)] == sessions
            assert up() == count and not site.agents["local"].find_log("down", mark)
            assert all(len(bmc.state(which)["sessions"]) == 1 for which in range(0, count, 10)), "no ghosts are left"


def test_an_orderly_end_closes_session_and_payload():
    with RudeBmc() as bmc:
        with SolSite(sol_console("a", bmc)) as site:
            site.wait_up("a")
            bmc.wait_ours()
            site.agents["local"].stop()
            eventually(lambda: bmc.state()["sessions"] == [] and not bmc.state()["sol"]["active"], 5, "the end of the session")


@limit(180 + 40 * ROUNDS)
def test_a_second_client_that_steals_or_dies_without_closing_costs_us_a_moment_each_time():
    with RudeBmc(scale=3) as bmc, SolSite(sol_console("a", bmc)) as site:  # a session lasts for 20 s
        bmc.order("fault ghost 1")
        site.wait_up("a")
        for number in range(ROUNDS):
            session = bmc.wait_ours(0, 60)["sol"]["session"]
            ipmitool(bmc, "sol", "deactivate")
            if number % 2 == 0:
                thief = None
                try:
                    thief = ipmitool_console(bmc)
                except AssertionError:
                    pass  # we were faster
                if thief:
                    thief.process.kill()
                    thief.close()
            bmc.wait(lambda state: state["sol"]["ours"] and state["sol"]["session"] != session, 0, 60, "our session again")
            site.wait_up("a", timeout_s=60)
            answers(site, "a", b"round %d" % number)


def test_the_password_is_nowhere_but_in_its_file():
    canary = "cAnArY-0451-pass"
    with RudeBmc() as bmc:
        bmc.order(f"user 2 admin {canary} admin")
        with SolSite(sol_console("a", bmc), password=canary) as site:
            site.wait_up("a")
            answers(site, "a")
            site.write_password("wrong-" + canary[:10])
            bmc.order("reset")
            site.wait_detail("a", "password", 60)
            found = []
            for path in glob.glob(f"{site.folder}/**", recursive=True):
                if os.path.isfile(path) and not path.endswith("/bmc.password"):
                    with open(path, "rb") as file:
                        if canary[:10].encode() in file.read():
                            found.append(path)
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for name in ("cmdline", "environ"):
                    try:
                        with open(f"/proc/{pid}/{name}", "rb") as file:
                            if canary[:10].encode() in file.read():
                                found.append(f"/proc/{pid}/{name}")
                    except OSError:
                        pass
            said = "\n".join(line for daemon in site.daemons for line in daemon.lines)
            for command in (("info", "a"), ("ls", "-o", "json"), ("log", "a"), ("inventory", "export")):
                done = site.oob(*command, check=False)
                said += done.stdout + done.stderr
            said += str(site.console("a"))
            assert not found and canary[:10] not in said, found


def test_a_file_of_the_state_is_for_us_only():
    with RudeBmc() as bmc, SolSite(sol_console("a", bmc)) as site:
        site.wait_up("a")
        for path in glob.glob(f"{site.folder}/agents/local/**/bmc-sessions", recursive=True):
            assert os.stat(path).st_mode & 0o077 == 0
            assert PASSWORD not in open(path).read()
        done = subprocess.run(["find", f"{site.folder}/agents/local", "-name", "bmc-sessions"], capture_output=True, text=True)
        assert done.stdout.strip(), "it remembers its session"
