"""`oob power` and `oob bmc`: real BMCs (ipmi_sim, and the simulated ones with faults), seen from the command line; what
was done is asked of the BMC by another client."""
import json
import os
import re
import signal
import subprocess
import time

from bmc import PASSWORD, USER, RudeBmc, SimBmc, SolSite, ipmitool
from harness import SLOW, Daemon, Site, eventually, program
from terminal import Terminal

CANARY = "canary-31b9-pass"  # 16 bytes: the longest that IPMI 1.5 takes too


def node(name, bmc, which=0, console='console = { line = "test" }\n', **settings):
    address, port = bmc.where(which)
    keys = {"address": address, "port": port, "user": USER, "password-file": "bmc.password",
            **{key.replace("_", "-"): value for key, value in settings.items()}}
    return (f"[node.{name}]\n{console}bmc = {{ "
            + ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items()) + " }\n")


def rows(done):
    return {row["node"]: row for row in json.loads(done.stdout)["rows"]}


def test_each_act_is_done_seen_and_written_into_the_log():
    with SimBmc("tcp:127.0.0.1:9") as bmc, SolSite(node("web01", bmc)) as site:
        def power():
            return ipmitool(bmc, "chassis", "power", "status").stdout.strip().rpartition(" ")[2]
        assert site.oob("power", "status", "web01").stdout.split() == ["POWER", "NODES", "on", "web01"]
        done = site.oob("power", "off", "--yes", "web01")
        assert power() == "off" and re.search(r"^done +web01 +off", done.stdout, re.M), done.stdout
        assert done.stderr == "1 node: 1 done\n", done.stderr
        assert "it was so already" in site.oob("power", "off", "--yes", "web01").stdout
        refused = site.oob("power", "cycle", "--yes", "web01", check=False)
        assert refused.returncode == 1 and "it is off" in refused.stdout, refused
        site.oob("power", "on", "web01")
        assert power() == "on"
        site.oob("power", "reset", "--yes", "web01")
        assert rows(site.oob("power", "soft", "--yes", "web01", "-o", "json"))["web01"]["power"] == "off"
        def log():
            with open(site.log_path("web01")) as file:
                return file.read()
        eventually(lambda: "power soft by" in log())
        assert "asked for power off" in log() and "power off by" in log() and "the power is off" in log(), log()


def test_two_hundred_with_ten_dead_among_them_are_told_within_six_seconds():
    with RudeBmc(190) as good, RudeBmc(10) as dead:
        inventory = "".join(node(f"n{i:03}", good, i, console="") for i in range(190))
        inventory += "".join(node(f"n{190 + i}", dead, i, console="") for i in range(10))
        with SolSite(inventory) as site:
            good.order("power on")
            good.order("power off", 7)
            os.kill(dead.process.pid, signal.SIGSTOP)
            try:
                begun = time.monotonic()
                done = site.oob("power", "status", "n*", check=False)
                took = time.monotonic() - begun
            finally:
                os.kill(dead.process.pid, signal.SIGCONT)
            assert took < 6 * SLOW, took
            assert done.returncode == 1, done
            assert re.search(r"^on +n\[000-006,008-189\]", done.stdout, re.M), done.stdout
            assert re.search(r"^off +n007", done.stdout, re.M), done.stdout
            assert len(re.findall(r"^unknown ", done.stdout, re.M)) >= 1, done.stdout
            assert "200 nodes: 1 off, 189 on, 10 unknown" in done.stderr, done.stderr
            print(f"power status of 200 with 10 dead: {took:.2f} s")


def test_a_slow_bmc_is_called_slow_and_given_the_time_that_was_asked_for():
    with RudeBmc(2) as bmc, SolSite(node("web01", bmc) + node("web02", bmc, 1)) as site:
        bmc.order("slow 2", 0)
        bmc.order("slow 4.5", 1)
        too_slow = rows(site.oob("power", "status", "web01", "-o", "json", check=False))["web01"]["text"]
        assert "too slow" in too_slow and "--wait" in too_slow and "did not answer" not in too_slow, too_slow
        done = rows(site.oob("power", "status", "--wait", "40", "web02", "-o", "json", timeout_s=60))["web02"]
        assert done["power"] == "off" and done["result"] == "done", done


def test_what_cannot_be_known_is_unknown_and_never_on_or_off():
    with RudeBmc() as bmc, SolSite(node("web01", bmc)) as site:
        bmc.order("power on")
        site.write_password("wrong")
        done = site.oob("power", "status", "web01", "-o", "json", check=False)
        row = rows(done)["web01"]
        assert done.returncode == 1 and row["result"] == "failed" and row["power"] == "unknown", row
        site.write_password(PASSWORD)
        assert rows(site.oob("power", "status", "web01", "-o", "json"))["web01"]["power"] == "on", "read anew, without a reload"
        bmc.order("code 0 1 c1")
        assert rows(site.oob("power", "status", "web01", "-o", "json", check=False))["web01"]["power"] == "unknown"
        bmc.order("code")
        site.agents["local"].kill()
        done = site.oob("power", "off", "--yes", "web01", check=False)
        assert done.returncode == 1 and "agent local is not connected" in done.stdout, done
        assert bmc.state()["power"] == "on"


def test_nothing_is_done_without_a_yes_a_right_name_or_the_right_count():
    with RudeBmc(2) as bmc:
        site_text = node("web01", bmc, 0) + node("web02", bmc, 1) + "[node.bare]\nconsole = { line = \"test\" }\n"
        bmc.order("power on")
        with SolSite(site_text) as site:
            def refused(status, text, *arguments):
                done = site.oob("power", *arguments, check=False)
                assert done.returncode == status and text in done.stderr, done
            refused(2, "--yes", "off", "web01")
            refused(4, "no BMC in the inventory", "off", "--yes", "bare")
            refused(4, "did you mean \"web01\"", "off", "--yes", "wbe01")
            refused(4, "did you mean \"web01\"", "off", "--yes", "web02,wbe01")
            refused(2, "these are 2 nodes, not 3", "off", "--yes", "--count", "3", "web*")
            refused(2, "NAMES", "off", "--yes")
            assert site.oob("power", "off", "--dry-run", "web*").stdout == "web01\nweb02\n"
            terminal = Terminal([program("oob"), "power", "off", "web[01-02]"], {"OOB_SOCKET": site.socket})
            terminal.wait(r"power off web\[01-02\] \(2 nodes, by their BMCs\)\. To go on, type how many: ")
            terminal.type(b"y\r")
            terminal.wait("nothing was done")
            terminal.ended()
            terminal.close()
            assert bmc.state(0)["power"] == bmc.state(1)["power"] == "on"
            terminal = Terminal([program("oob"), "power", "off", "web[01-02]"], {"OOB_SOCKET": site.socket})
            terminal.wait("type how many: ")
            terminal.type(b"2\r")
            terminal.wait("2 nodes: 2 done")
            terminal.ended()
            terminal.close()
            assert bmc.state(0)["power"] == bmc.state(1)["power"] == "off"


def test_people_on_the_console_are_told_who_did_it():
    with RudeBmc() as bmc, SolSite(node("web01", bmc)) as site:
        bmc.order("power on")
        terminal = Terminal([program("oob"), "attach", "web01"], {"OOB_SOCKET": site.socket})
        terminal.wait("read-write")
        site.oob("power", "off", "--yes", "web01")
        terminal.wait("asked for power off")
        terminal.wait("the power is off")
        terminal.type(b"\x05c.")
        terminal.ended()
        terminal.close()


def test_who_ends_the_waiting_is_told_that_the_bmc_goes_on():
    with RudeBmc() as bmc, SolSite(node("web01", bmc)) as site:
        bmc.order("power on")
        bmc.order("silent")
        waiting = subprocess.Popen([program("oob"), "power", "off", "--yes", "web01"], env={**os.environ, "OOB_SOCKET": site.socket},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        site.wait_noted("web01", "asked for power off")
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=10 * SLOW)
        assert waiting.returncode == -signal.SIGINT, waiting.returncode
        assert "what was asked goes on" in said and "power status" in said, said


def test_an_agent_reaches_only_what_its_own_file_allows():
    with RudeBmc() as bmc:
        with SolSite(node("web01", bmc)) as site:
            path = site.write_agent_config("local")
            with open(path) as file:
                text = re.sub(r"^bmc = .*\n", "", file.read(), flags=re.M)
            agent = site.agents["local"]
            agent.stop()
            with open(path, "w") as file:
                file.write(text)
            site.daemons.append(Daemon("agent", [program("oob-agent"), "run", "--foreground", "--config", path],
                                       "agent: connected"))
            done = site.oob("power", "status", "web01", check=False)
            assert done.returncode == 1 and f'bmc = ["{":".join(map(str, bmc.where()))}"]' in done.stdout, done


def test_the_doctor_says_why_the_console_is_dead_mends_it_after_a_yes_and_proves_it():
    with RudeBmc() as bmc:
        bmc.order("power on")
        ipmitool(bmc, "sol", "set", "enabled", "false", "1")
        ipmitool(bmc, "sol", "payload", "disable", "1", "2")
        with SolSite(node("web01", bmc, console='console = { line = "sol" }\n')) as site:
            done = site.oob("bmc", "doctor", "web01", check=False)
            assert done.returncode == 1, done
            assert re.search(r"^FAULT sol +disabled", done.stdout, re.M), done.stdout
            assert re.search(r"^FAULT sol-right +no", done.stdout, re.M), done.stdout
            assert "--yes makes these changes: sol-right, sol-enable" in done.stderr, done.stderr
            assert "false" in re.search(r"Enabled +: (\w+)", ipmitool(bmc, "sol", "info", "1").stdout).group(1), "looked only"
            bmc.order("host echo")
            done = site.oob("bmc", "doctor", "--yes", "--rate", "115200", "web01", timeout_s=60)
            assert "the console is up" in done.stderr and "it answers Enter" in done.stderr, done
            assert "FAULT" not in done.stdout.rpartition("change")[2], done.stdout
            bmc.order("host silent")
            done = site.oob("bmc", "doctor", "--yes", "--rate", "115200", "web01", timeout_s=60, check=False)
            assert done.returncode == 1 and "no answer to Enter" in done.stderr, done
            site.wait_up("web01")
            assert "true" in ipmitool(bmc, "sol", "info", "1").stdout
            info = site.oob("bmc", "info", "web01").stdout
            assert re.search(r"^ +answer +yes, IPMI 2.0$", info, re.M) and re.search(r"^ +power +on$", info, re.M), info


def test_the_doctor_names_who_holds_the_console_and_what_is_wrong_before_the_login():
    with RudeBmc() as bmc, SolSite(node("web01", bmc)) as site:
        bmc.order("hold 10.9.0.3")
        found = {f["topic"]: f for f in rows(site.oob("bmc", "doctor", "web01", "-o", "json", check=False))["web01"]["findings"]}
        assert "10.9.0.3" in found["sol-held"]["value"], found
        bmc.order("release")
        bmc.order("suites 0,3")
        found = {f["topic"]: f for f in rows(site.oob("bmc", "doctor", "web01", "-o", "json", check=False))["web01"]["findings"]}
        assert found["suites"]["verdict"] == "fault" and found["suites"]["value"] == "0, 3", found
        bmc.order("silent")
        done = site.oob("bmc", "doctor", "web01", check=False)
        assert done.returncode == 1 and re.search(r"^FAULT answer +none", done.stdout, re.M), done


def test_the_row_of_an_examination_says_of_the_power_what_its_finding_says():
    with RudeBmc() as bmc, SolSite(node("web01", bmc)) as site:
        for power in ("on", "off"):
            bmc.order(f"power {power}")
            assert rows(site.oob("bmc", "info", "web01", "-o", "json"))["web01"]["power"] == power
        bmc.order("code 0 1 c0")
        assert rows(site.oob("bmc", "info", "web01", "-o", "json"))["web01"]["power"] == "unknown"


def in_memory(pid, canary):
    """What stands around it, as a core would have it. Mappings of gigabytes are a sanitizer's own."""
    found, read = [], 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for begin, end, writable in re.findall(r"^(\w+)-(\w+) r(.)", maps.read(), re.M):
            size = int(end, 16) - int(begin, 16)
            if writable == "w" and size < 1 << 30:
                memory.seek(int(begin, 16))
                try:
                    part = memory.read(size)
                except OSError:  # reserved, and nothing in it
                    continue
                read += len(part)
                found += [part[max(0, at.start() - 40):at.end() + 40] for at in re.finditer(re.escape(canary), part)]
    assert read > 1 << 16, read
    return found


def test_the_password_is_in_no_log_no_state_no_answer_no_error_no_argument_and_not_in_the_agent():
    with RudeBmc() as bmc:
        bmc.order(f"user 2 {USER} {CANARY} admin")
        site = Site(node("web01", bmc, console='console = { line = "sol" }\n'), start=False)
        try:
            with open(os.open(f"{site.folder}/inventory.d/bmc.password", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(CANARY + "\n")
            site.start_server()
            site.start_agent("local")
            site.wait_up("web01")
            shown = []

            def run(*arguments):
                done = site.oob(*arguments, check=False, timeout_s=60)
                shown.extend((done.stdout, done.stderr))
                return done
            assert run("power", "status", "web01", "-o", "json").returncode == 0
            run("power", "off", "--yes", "web01")
            run("bmc", "doctor", "web01", "-o", "json")
            run("info", "web01")
            run("log", "web01")
            bmc.order(f"user 2 {USER} other-password admin")
            assert run("power", "status", "web01").returncode == 1
            run("bmc", "info", "web01")
            for path in ("/v1/consoles", "/v1/inventory", "/v1/inventory/history", "/v1/agents"):
                shown.append(json.dumps(site.rest("GET", path)))
            for daemon in site.daemons:
                shown += daemon.lines
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{daemon.pid}/{name}") as file:
                        shown.append(file.read())
            assert not [text for text in shown if CANARY in text]
            found = in_memory(site.daemons[1].pid, CANARY.encode())
            assert not found, found
            for folder, _, files in os.walk(site.folder):
                for name in files:
                    path = os.path.join(folder, name)
                    if os.path.isfile(path) and not path.endswith("/inventory.d/bmc.password"):
                        with open(path, "rb") as file:
                            assert CANARY.encode() not in file.read(), path
        finally:
            site.close()


def test_a_wrong_bmc_table_is_told_with_its_place():
    with Site("", start=False) as site:
        def check(text):
            site.write_inventory(text)
            done = subprocess.run([program("oobd"), "check", f"{site.folder}/inventory.d"], capture_output=True, text=True)
            return done.stderr
        assert 'site.toml:2:1: error: unknown key "adress" in the bmc of "a"; did you mean "address"?' in check(
            '[node.a]\nbmc = { adress = "10.9.1.1", password-file = "p" }\n').replace(":2:9:", ":2:1:"), "names the nearest"
        assert "2:" in check('[node.a]\nbmc = { address = "10.9.1.1", password-file = "none" }\n')
        assert 'did you mean "password-file"' in check('[node.a]\nbmc = { address = "10.9.1.1", password = "x" }\n')
        assert 'did you mean "administrator"' in check(
            '[node.a]\nbmc = { address = "10.9.1.1", password-file = "/dev/null", privilege = "admin" }\n')
        with open(os.open(f"{site.folder}/inventory.d/long", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("a password of 21 byte\n")
        for long in ('[node.a]\nbmc = { address = "10.9.1.1", password-file = "long" }\n',
                     '[console.a]\nline = "sol"\naddress = "10.9.1.1"\npassword-file = "long"\n'):
            assert re.search(r'error: "long" holds a password that is longer than the 20 letters', check(long)), check(long)
        assert "insecure = true" in check('[node.a]\nbmc = { address = "10.9.1.1", password-file = "/dev/null", suite = "lan-md5" }\n')
