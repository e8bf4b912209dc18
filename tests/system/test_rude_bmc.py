"""The simulated BMC of our own (tests/simulators/rude_bmc) is one that ipmitool and FreeIPMI, which share no code with it, can
use in full: so what it does to our console is what a BMC does. And the relay that mistreats datagrams does so."""
import re
import socket
import subprocess

from bmc import RudeBmc, UdpRelay, freeipmi_argv, ipmitool, ipmitool_console
from harness import SLOW, eventually
from terminal import Terminal


def test_ipmitool_does_power_users_sessions_and_sol_settings_with_each_suite():
    with RudeBmc() as bmc:
        bmc.order("suites 0,1,2,3,8,15,16,17")
        for suite in (17, 3, 16, 15, 2, 1):
            def run(*arguments):
                return ipmitool(bmc, *arguments, suite=suite).stdout
            run("chassis", "power", "off")
            assert "is off" in run("chassis", "power", "status")
            run("chassis", "power", "on")
            assert bmc.state()["power"] == "on"
            assert "Firmware Revision         : 1.02" in run("mc", "info")
            assert re.search(r"user id\s+: 2\n", run("session", "info", "active"))
            assert re.search(r"2 +admin .*ADMINISTRATOR", run("user", "list", "1"))
            assert re.search(r"Enabled +: true", run("sol", "info", "1"))
            run("sol", "set", "retry-interval", "20", "1")
            assert re.search(r"Retry Interval \(ms\) +: 200\n", run("sol", "info", "1"))
            run("sol", "payload", "disable", "1", "2")
            run("sol", "payload", "enable", "1", "2")
            run("chassis", "identify", "5")
            assert bmc.state()["sessions"] == [], "ipmitool closes its session"
        assert bmc.state()["dropped"] == {}, "every packet was understood"
        assert re.search(r"^17 ", ipmitool(bmc, "channel", "getciphers", "ipmi", "1").stdout, re.M)


def test_ipmitool_uses_ipmi_1_5_with_each_kind_of_password():
    with RudeBmc() as bmc:
        for kind in ("NONE", "MD5", "PASSWORD"):
            ipmitool(bmc, "chassis", "power", "on", interface="lan", options=("-A", kind))
            assert "is on" in ipmitool(bmc, "chassis", "power", "status", interface="lan", options=("-A", kind)).stdout
        assert ipmitool(bmc, "chassis", "power", "status", interface="lan", options=("-A", "MD5"), password="wrong",
                        check=False).returncode != 0
        assert bmc.state()["dropped"]["wrong code"] > 0


def test_ipmitool_types_on_the_console_and_sends_a_break():
    for suite in (17, 3):
        with RudeBmc() as bmc:
            terminal = ipmitool_console(bmc, suite=suite)
            terminal.type(b"hello over there")
            terminal.wait("hello over there")
            terminal.type(b"\r~B")  # what comes with its acknowledgement is not shown by ipmitool
            bmc.wait(lambda state: state["host"]["breaks"] == 1)
            bmc.order(r"say from\r\nthe host")
            terminal.wait("from\r\nthe host")
            assert bmc.state()["sol"]["encrypted"]
            terminal.type(b"\r~.")
            terminal.ended()
            terminal.close()
            state = bmc.state()
            assert state["sessions"] == [] and not state["sol"]["active"] and state["host"]["breaks"] == 1
            assert state["dropped"] == {}, "every packet was understood"


def test_freeipmi_does_power_and_consoles():
    with RudeBmc() as bmc:
        def power(*arguments):
            done = subprocess.run(freeipmi_argv("ipmipower", bmc, *arguments), capture_output=True, text=True, timeout=30 * SLOW)
            return done.stdout
        assert ": off" in power("--stat")
        assert ": ok" in power("--on")
        assert ": on" in power("--stat")
        terminal = Terminal(freeipmi_argv("ipmiconsole", bmc), {})
        terminal.wait("SOL established", 20)
        terminal.type(b"hello over there")
        terminal.wait("hello over there")
        terminal.type(b"&B")
        terminal.wait("<break>")
        terminal.type(b"&.")
        terminal.ended()
        terminal.close()
        eventually(lambda: not bmc.state()["sol"]["active"], 10, "ipmiconsole to close its session")
        assert bmc.state()["dropped"] == {}, "every packet was understood"


def test_what_a_bmc_refuses_is_what_a_client_is_told():
    with RudeBmc() as bmc:
        def fails(*arguments, **how):
            done = ipmitool(bmc, *arguments, check=False, **how)
            assert done.returncode != 0
            return done.stdout + done.stderr
        status = ("chassis", "power", "status")
        assert "HMAC is invalid" in fails(*status, password="wrong", options=("-v",))
        assert "unauthorized name" in fails(*status, user="nobody", options=("-v",))
        bmc.order("user 3 reader secret user")
        assert "nauthorized role" in fails(*status, user="reader", options=("-v", "-L", "ADMINISTRATOR"))
        ipmitool(bmc, *status, user="reader", options=("-L", "USER"))
        bmc.order("suites 3")
        assert "cipher suite" in fails(*status).lower()
        bmc.order("suites 3,17")
        bmc.order("sessions 0")
        assert "insufficient resources" in fails(*status).lower()
        bmc.order("sessions 8")
        bmc.order("code 0 1 c0")
        assert "busy" in fails("chassis", "status").lower()
        bmc.order("code")
        bmc.order("hold 192.0.2.9")
        assert "already active on another session" in fails("sol", "activate")
        assert "192.0.2.9" in ipmitool(bmc, "session", "info", "all").stdout
        bmc.order("release")
        bmc.order("user 2 admin secret admin no-sol")
        assert fails("sol", "activate")


def test_sessions_end_by_themselves_and_a_ghost_takes_the_next_console_along():
    with RudeBmc(scale=60) as bmc:  # 60 s are one second
        first = ipmitool_console(bmc)
        first.process.kill()
        first.process.wait()
        ipmitool(bmc, "sol", "deactivate")
        bmc.order("fault ghost 1")
        second = Terminal(freeipmi_argv("ipmiconsole", bmc), {})
        second.wait("SOL established", 20)
        second.wait("SOL session stolen", 10)
        first.close()
        second.close()
        bmc.wait(lambda state: state["sessions"] == [])


def test_a_silent_or_reset_bmc_is_away_for_so_long():
    with RudeBmc() as bmc:
        bmc.order("silent")
        assert ipmitool(bmc, "mc", "info", check=False, options=("-R", "1")).returncode != 0
        bmc.order("silent 0")
        ipmitool(bmc, "mc", "info")
        terminal = ipmitool_console(bmc)
        bmc.order("reset")
        assert bmc.state()["sessions"] == [] and not bmc.state()["sol"]["active"]
        terminal.close()


def test_the_relay_loses_doubles_reorders_and_delays_by_its_seed():
    def outcome(**how):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            target.bind(("127.0.0.1", 0))
            target.settimeout(2 * SLOW)
            relay = UdpRelay(target.getsockname(), **how)
            got = []
            for number in range(1000):
                client.sendto(b"%d" % number, ("127.0.0.1", relay.port))
                if number % 50 < 49:  # few at a time, so that no socket's own queue loses any
                    continue
                eventually(lambda: relay.passed + relay.lost + len(relay.later) - relay.doubled == number + 1)
                while len(got) < relay.passed:
                    got.append(int(target.recv(100)))
            eventually(lambda: not relay.later, 10, "those held back")
            while len(got) < relay.passed:
                got.append(int(target.recv(100)))
            relay.close()
            return got
    assert outcome() == list(range(1000))
    lost = outcome(loss=0.1)
    assert 850 < len(lost) < 950 and lost == sorted(lost) and outcome(loss=0.1) == lost
    doubled = outcome(double=0.1)
    assert 1050 < len(doubled) < 1150 and sorted(set(doubled)) == list(range(1000))
    held = outcome(reorder=0.1)
    assert held != sorted(held) and sorted(held) == list(range(1000))
