"""Telnet lines: behind ser2net with 48 ports, on a guest machine whose UART gets the break, on a simulated port with
modem lines and errors, and on peers that misbehave."""
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

import log_reader
from harness import ROOT, SLOW, Daemon, Equipment, Site, die_with_parent, eventually, free_port, limit, program, tool
from terminal import Terminal

sys.path.insert(0, os.path.join(ROOT, "tests", "simulators"))
from rfc2217_peer import CTS, DCD, DSR, FRAMING, PORT, SPEED, WILL, Rfc2217Peer  # noqa: E402


def console(name, address, **settings):
    text = "".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in settings.items())
    return f'[console.{name}]\nline = "telnet"\naddress = "{address}"\n{text}'


def facts(site, name):
    return site.console(name).get("facts", {})


def wait_fact(site, name, key, pattern, timeout_s=20):
    try:
        return eventually(lambda: re.search(pattern, facts(site, name).get(key, "")), timeout_s, f"{key} /{pattern}/ of {name}")
    except AssertionError as error:
        raise AssertionError(f"{error}; there is {facts(site, name)}") from None


def log(site, name):
    path = site.log_path(name)
    return log_reader.read(path, whole=False) if os.path.exists(path) else []


def heard(site, name):
    return log_reader.output(log(site, name))


def events(site, name):
    return [(marker.event, marker.text) for marker in log_reader.markers(log(site, name))]


def count(site, name, kind):
    return [event for event, _ in events(site, name)].count(kind)


class Devices:
    """Ptys that echo what they are sent, as devices behind a console server's ports."""

    def __init__(self, count):
        self.pairs = [os.openpty() for _ in range(count)]
        for _, slave in self.pairs:
            tty.setraw(slave)
        self.paths = [os.ttyname(slave) for _, slave in self.pairs]
        threading.Thread(target=self._echo, daemon=True).start()

    def _echo(self):
        masters = [master for master, _ in self.pairs]
        while True:
            for master in select.select(masters, [], [])[0]:
                try:
                    os.write(master, os.read(master, 4096))
                except OSError:
                    return

    def speed(self, number):
        return termios.tcgetattr(self.pairs[number][1])[5]


def ser2net(folder, devices):
    """A Daemon and its ports."""
    ports = [free_port() for _ in devices.paths]
    assert len(set(ports)) == len(ports)
    with open(f"{folder}/ser2net.yaml", "w") as file:
        for number, (port, path) in enumerate(zip(ports, devices.paths)):
            file.write(f"connection: &c{number}\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
                       f"  connector: serialdev,{path},9600n81,local\n  options:\n    kickolduser: false\n")
    daemon = Daemon("ser2net", [tool("ser2net", "ser2net"), "-n", "-d", "-c", f"{folder}/ser2net.yaml"], None)
    return daemon, ports


def test_48_ports_of_one_console_server_are_set_and_carry_every_byte():
    devices = Devices(48)
    with Site() as site:
        server, ports = ser2net(site.folder, devices)
        try:
            names = [f"p{number:02}" for number in range(1, 49)]
            site.write_inventory("".join(
                console(name, f"127.0.0.1:{port}", **({"speed": 115200, "parity": "even"} if number < 2 else {}))
                for number, (name, port) in enumerate(zip(names, ports))))
            site.apply()
            site.wait_up(*names, timeout_s=40)
            wait_fact(site, "p01", "settings", "^115200 8E1")
            wait_fact(site, "p02", "settings", "^115200 8E1")
            wait_fact(site, "p48", "settings", "^9600 8N1")
            assert devices.speed(0) == devices.speed(1) == termios.B115200 and devices.speed(47) == termios.B9600
            assert not [name for name in names if count(site, name, "note")], "something was told beside `up`"
            done = site.oob("run", "p[01-48]", "--send", "who is there", "--expect", "is there", timeout_s=60)
            assert "p[01-48]: done" in done.stdout, done
            every = bytes(range(256)) * 4
            sent = subprocess.run([program("oob"), "attach", "-n", "0", "p03"], input=every, capture_output=True,
                                  env={**os.environ, "OOB_SOCKET": site.socket}, timeout=30 * SLOW)
            assert sent.returncode == 0 and sent.stdout == every, (sent.returncode, sent.stderr, len(sent.stdout))
            # The server goes and comes back: every line is open again.
            server.kill()
            eventually(lambda: all(site.console(name)["state"] == "down" for name in names), 20, "all down")
            server = Daemon("ser2net", [tool("ser2net", "ser2net"), "-n", "-d", "-c", f"{site.folder}/ser2net.yaml"], None)
            site.server.signal(10)  # SIGUSR1: try again now
            site.wait_up(*names, timeout_s=60)
            wait_fact(site, "p01", "settings", "^115200 8E1")
        finally:
            server.kill()


@limit(240)
def test_a_break_reaches_the_kernel_of_a_guest_machine():
    port = free_port()
    with Site(console("guest", f"127.0.0.1:{port}")) as site, tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([f"{ROOT}/packaging/make-guest", f"{folder}/disk"], check=True, text=True, capture_output=True)
        qemu = subprocess.Popen(
            [tool("qemu-system-x86_64", "qemu-system-x86"), "-accel", "tcg", "-m", "384", "-display", "none", "-nodefaults",
             "-no-reboot", "-monitor", "none", "-kernel", made.stdout.strip(), "-initrd", f"{folder}/disk", "-append",
             "console=ttyS0 quiet sysrq_always_enabled", "-serial", f"telnet:127.0.0.1:{port},server=on,wait=off"],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        try:
            site.wait_up("guest", timeout_s=40)
            eventually(lambda: b"login: " in heard(site, "guest"), 150, "the guest's login")
            screen = Terminal([program("oob"), "attach", "guest"], {"OOB_SOCKET": site.socket})
            screen.wait(r"\[guest: read-write")
            screen.wait("login: ")
            screen.type(b"root\r")
            screen.wait("# ", timeout_s=20)
            screen.type(b"echo 1''2\r")
            screen.wait("\n12\r", timeout_s=20)  # Return is one Return
            screen.type(b"\x05cl0")
            screen.wait("break sent: as long as the peer makes it by ")
            screen.type(b"h")
            screen.wait("sysrq: HELP", timeout_s=20)
            begin = len(screen.shown)
            screen.type(b"\x05c!help\r")
            screen.wait("sysrq: HELP", timeout_s=20, begin=begin)
            screen.type(b"\x05c.")
            assert screen.ended() == 0
            assert facts(site, "guest")["telnet"].startswith("binary, "), facts(site, "guest")
        finally:
            qemu.kill()
            qemu.wait()


def test_a_port_with_modem_lines_and_errors_is_set_watched_and_broken():
    peer = Rfc2217Peer()
    with Site(console("sw1", peer.address, speed=115200, flow="rtscts", break_ms=300)) as site:
        site.wait_up("sw1")
        wait_fact(site, "sw1", "settings", "^115200 8N1, flow rtscts$")
        wait_fact(site, "sw1", "modem-lines", r"^\+DTR \+RTS \+CTS \+DSR \+DCD -RI$")
        assert facts(site, "sw1")["port-server"] == "simulated port" and "not-set" not in facts(site, "sw1")
        peer.say(b"Switch>")
        peer.line_state(FRAMING)
        eventually(lambda: ("note", "1 framing error") in events(site, "sw1"), 10, "the framing error in the log")
        # A break is one at the port, of the length that was asked for, and what was typed comes in its order.
        screen = Terminal([program("oob"), "attach", "sw1"], {"OOB_SOCKET": site.socket})
        screen.wait("Switch>")
        screen.type(b"a\x05cl0b")
        screen.wait("break sent: 300 ms by ")
        peer.wait(lambda: peer.typed == b"ab" and len(peer.breaks) == 1)
        assert 0.1 < peer.breaks[0] < 3 * SLOW, peer.breaks  # as the peer's reader was given the processor
        # What is wrong is said in `oob info`, with what to do, and goes when it is well again.
        for _ in range(12):
            peer.line_state(FRAMING)
            peer.say(b"\x80")
        wait_fact(site, "sw1", "wrong-speed", "^likely: many framing errors; set speed")
        peer.set_modem(CTS)
        wait_fact(site, "sw1", "no-carrier", "went low")
        shown = site.oob("info", "sw1").stdout
        assert re.search(r"^wrong-speed: +likely", shown, re.M) and re.search(r"^no-carrier: +DSR and DCD", shown, re.M)
        peer.set_modem(CTS | DSR | DCD)
        peer.say(b"text as it should be\r\n" * 100)
        eventually(lambda: not {"no-carrier", "wrong-speed"} & set(facts(site, "sw1")), 10, "no hint any more")
        # While the server wants no bytes, none are sent, and they are refused when they are old.
        peer.suspend(True)
        begin = len(screen.shown)
        screen.type(b"c")
        screen.wait(r"1 key not typed: late", begin=begin)
        peer.suspend(False)
        screen.type(b"d")
        peer.wait(lambda: peer.typed == b"abd")
        screen.close()
    peer.close()


def test_settings_that_a_console_server_does_not_take_are_told_once():
    peers = {fault: Rfc2217Peer(fault) for fault in ("refuses", "no-option", "silent", "deaf")}
    said = {"refuses": "speed 115200 (it has 9600), data-bits 7 (it has 8)", "no-option": "the peer has no RFC 2217",
            "silent": "no answer to speed, data-bits", "deaf": "the peer does not answer (RFC 2217)"}
    with Site("".join(console(fault, peer.address, speed=115200, data_bits=7) for fault, peer in peers.items())) as site:
        site.wait_up(*peers)
        for fault, peer in peers.items():
            eventually(lambda: ("note", "the console server's port is not set as asked: " + said[fault]) in events(site, fault),
                       15, f"what is said of {fault}")
            wait_fact(site, fault, "not-set", re.escape(said[fault]))
            peer.say(b"$ ")
            eventually(lambda: heard(site, fault) == b"$ ", 10, "output")
            assert count(site, fault, "note") == 1, events(site, fault)
        assert (WILL, PORT) in peers["deaf"].told
        assert [value for code, value in peers["silent"].told if code == SPEED] == [b"\x00\x01\xc2\x00"]
    for peer in peers.values():
        peer.close()


def test_a_peer_that_negotiates_or_floods_without_end_stays_a_console_and_holds_up_no_other():
    peers = {fault: Rfc2217Peer(fault) for fault in ("negotiates", "floods", "half")}
    quiet = Rfc2217Peer()
    with Site("".join(console(name, peer.address) for name, peer in {**peers, "quiet": quiet}.items())) as site:
        site.wait_up(*peers, "quiet")
        for fault in ("negotiates", "floods"):
            eventually(lambda: heard(site, fault).count(b"storm\r\n") > 20, 20, f"output of {fault}")
        assert sum("negotiates without end" in text for _, text in events(site, "negotiates")) == 1
        assert not [text for kind, text in events(site, "floods") if kind == "note"]
        began = time.monotonic()
        quiet.say(b"heard at once")
        eventually(lambda: b"heard at once" in heard(site, "quiet"), 10, "the quiet one")
        assert time.monotonic() - began < 2 * SLOW
        site.oob("run", "negotiates", "--send", "reboot", "--expect", "storm", timeout_s=30)
        peers["negotiates"].wait(lambda: b"reboot\r" in peers["negotiates"].typed)
        peers["half"].say(b"x" * 2000)
        eventually(lambda: count(site, "half", "gap") == 1, 10, "what was torn")
        assert heard(site, "half").endswith(b"x" * 900)
        assert site.agents["local"].memory_kb() < 64 * 1024 * SLOW
    for peer in (*peers.values(), quiet):
        peer.close()


def test_a_device_that_says_nothing_is_up_and_no_fault_until_it_does_not_answer():
    device = Equipment()
    with Site(console("mute", device.address)) as site:
        site.wait_up("mute")
        wait_fact(site, "mute", "telnet", "the peer has not negotiated")
        assert set(facts(site, "mute")) == {"telnet"}
        screen = Terminal([program("oob"), "attach", "mute"], {"OOB_SOCKET": site.socket})
        screen.wait(r"\[mute: read-write")
        screen.type(b"\r")
        device.wait_received(b"\r\0")
        assert bytes(device.received) == b"\r\0", "more was sent than was typed"
        wait_fact(site, "mute", "nothing-received", "crossed cable", timeout_s=25)
        device.say(b"login: ")
        screen.wait("login: ")
        eventually(lambda: "nothing-received" not in facts(site, "mute"), 10, "no hint any more")
        screen.close()
    device.close()


def test_a_device_that_closes_at_once_is_dialled_ever_less_often_and_told_of_once():
    listener, dialled = socket.create_server(("127.0.0.1", 0)), []

    def slam():
        while True:
            peer, _ = listener.accept()
            dialled.append(time.monotonic())
            peer.close()

    threading.Thread(target=slam, daemon=True).start()
    with Site(console("slam", "127.0.0.1:%d" % listener.getsockname()[1])) as site:
        eventually(lambda: len(dialled) >= 5, 30, "five attempts")
        gaps = [later - earlier for earlier, later in zip(dialled, dialled[1:])]
        assert sum(gaps) > 2, gaps
        eventually(lambda: ("down", "the peer closed the connection") in events(site, "slam"), 10, "the log")
        assert count(site, "slam", "up") <= 1, events(site, "slam")
        assert count(site, "slam", "down") <= 2, events(site, "slam")
        assert len(site.agents["local"].find_log("console=slam")) <= 3, site.agents["local"].lines
