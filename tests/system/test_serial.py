"""Serial lines: on a real 16550 in a guest machine, whose registers say what the far end feels; on ptys, which come and
go."""
import json
import os
import re
import subprocess

import log_reader
from guest import BRK, BREAK, DLAB, DTR, IAC, LCR, MCR, RTS, Guest
from harness import Site, die_with_parent, eventually, limit, program, tool

# The guest runs server and agent of its own; its console "port" is the second UART.
OOBD = 'state = "/var/state"\ninventory = "/etc/inv"\nsocket = "/run/s"\n[agents]\nlisten = ""\nsocket = "/run/a"\n'
AGENT = 'server = "unix:/run/a"\nstate = "/var/agent"\nrings = "/dev/shm/rings"\n[allow]\nserial = ["/dev/ttyS1"]\n'


def inventory(**settings):
    text = "".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in settings.items())
    return f'[console.port]\nline = "serial"\ndevice = "/dev/ttyS1"\n{text}'


def start_agent(guest):
    guest.run("oob-agent run --foreground --config /etc/agent.toml >>/var/agent.log 2>&1 & echo $! >/run/agent.pid")
    guest.wait_for("oob ls port | grep -q ' up '")


def configure(guest, shown, **settings):
    """Sets the line anew; the last value of the line control register, without the divisor's access bit."""
    mark = guest.mark()
    guest.run(f"cat >/etc/inv/a.toml <<'E'\n{inventory(**settings)}E\noob inventory apply --yes")
    guest.wait_for(f"oob info port | grep -q 'settings: *{shown}'")
    return [value for value in guest.registers(LCR, mark) if not value & DLAB][-1]


def felt_nothing(guest, since):
    """No break was sent, DTR and RTS stayed up."""
    control, modem = guest.registers(LCR, since), guest.registers(MCR, since)
    assert not [value for value in control if value & BREAK and not value & DLAB], control
    assert all(value & (DTR | RTS) == DTR | RTS for value in modem), modem


def log_has(guest, text, timeout_s=30):
    guest.wait_for(f"grep -q '{text}' /var/state/log/port.log", timeout_s)


@limit(200)
def test_a_real_uart_is_set_watched_and_broken_and_feels_no_end_of_ours():
    with Guest([program(name) for name in ("oobd", "oob-agent", "oob")]) as guest:
        guest.run(f"mkdir -p /etc/inv /var/state /var/agent; cat >/etc/oobd.toml <<'E'\n{OOBD}E\n"
                  f"cat >/etc/agent.toml <<'E'\n{AGENT}E\n"
                  f"cat >/etc/inv/a.toml <<'E'\n{inventory(speed=19200, data_bits=7, parity='even', stop_bits=2)}E\n"
                  "export OOB_SOCKET=/run/s; oobd --foreground --config /etc/oobd.toml >/var/oobd.log 2>&1 &")
        guest.wait_for("oob ls >/dev/null")
        start_agent(guest)
        assert guest.set_to() == (19200, "E", 7, 2)
        began = guest.mark()

        # The far end is heard, and hears.
        guest.line.send(b"far end speaking\r\n")
        log_has(guest, "far end speaking")
        guest.shell.send(b"oob attach port; echo back''here\n")
        guest.shell.wait(r"\[port: read-write", timeout_s=60)
        guest.shell.send(b"typed here\r")
        guest.line.wait("typed here\r")
        felt_nothing(guest, began)

        # A break of ours is one on the wire, after what was typed before it.
        mark = guest.mark()
        guest.shell.send(b"ab\x05cl0")
        guest.shell.wait("break sent: 250 ms")
        eventually(lambda: [value & BREAK for value in guest.registers(LCR, mark)][-2:] == [BREAK, 0], 20, "the break's end")
        written = [re.search(r"addr 0x0?([03]) val 0x(..)", line) for line in guest.trace(mark)]
        order = [match.group(2) for match in written if match and (match.group(1) == "3" or match.group(2) in ("61", "62"))]
        at = [number for number, value in enumerate(order) if int(value, 16) & BREAK and value not in ("61", "62")][0]
        assert "61" in order[:at] and "62" in order[:at], order
        guest.shell.send(b"\x05c.")
        guest.shell.wait("backhere")
        log_has(guest, " break .* 250 ms")

        # One of theirs is an event in the log, and counted.
        guest.line.send(bytes([IAC, BRK]))
        log_has(guest, " note .*break received")
        guest.wait_for("oob info port -o json | grep -q '\"breaks-received\": *\"1\"'")
        facts = json.loads(guest.run("oob info port -o json"))["facts"]
        assert facts["modem-lines"] == "+DTR +RTS +CTS +DSR +DCD -RI" and facts["settings"] == "19200 7E2, flow none"
        assert re.search(r"breaks-received: +1\n", guest.run("oob info port"))

        # Killed, started, ended in order, started: the far end feels nothing.
        mark = guest.mark()
        guest.run("kill -9 $(cat /run/agent.pid); wait $(cat /run/agent.pid); true")
        assert guest.registers(MCR, mark), "the UART was not closed"
        start_agent(guest)
        guest.run("kill $(cat /run/agent.pid); wait $(cat /run/agent.pid); true")
        start_agent(guest)
        felt_nothing(guest, mark)
        guest.line.send(b"heard again\r\n")
        log_has(guest, "heard again")
        log_has(guest, " gap .*bytes=unknown")

        # Every framing, as the hardware has it.
        # As 16550s have it: size, stop bit 0x04, parity 0x08 (even 0x10, which means nothing without), stick 0x20.
        assert configure(guest, "300 5N1", speed=300, data_bits=5) & ~0x10 == 0x00
        assert guest.set_to()[0] == 300
        assert configure(guest, "115200 6O2", speed=115200, data_bits=6, parity="odd", stop_bits=2) == 0x0D
        assert guest.set_to()[0] == 115200
        assert configure(guest, "9600 7M1", data_bits=7, parity="mark") == 0x2A
        assert configure(guest, "9600 8S1, flow rtscts", data_bits=8, parity="space", flow="rtscts") == 0x3B
        felt_nothing(guest, mark)
        configure(guest, "9600 8N1", hangup="close")
        mark = guest.mark()
        configure(guest, "1200 8N1", speed=1200)
        assert guest.registers(MCR, mark)[0] & (DTR | RTS) == RTS, "hangup = close did not lower DTR"
        mark = guest.mark()
        guest.run(f"cat >/etc/inv/a.toml <<'E'\n{inventory(speed=4000000)}E\noob inventory apply --yes")
        guest.wait_for("oob info port | grep -q 'cannot be set to 4000000 bps'")
        felt_nothing(guest, mark)


class Pair:
    """Two ptys that socat joins; the folder's `port0` is a link to the one, `far` the other, held open here."""

    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [tool("socat", "socat"), f"PTY,link={folder}/port0,raw,echo=0", f"PTY,link={folder}/far,raw,echo=0"],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        eventually(lambda: os.path.exists(f"{folder}/far") and os.path.exists(f"{folder}/port0"), 10, "socat's ptys")
        self.far = os.open(f"{folder}/far", os.O_RDWR | os.O_NOCTTY)
        # As a device does, the pty lives on when the agent closes it.
        self.held = os.open(f"{folder}/port0", os.O_RDWR | os.O_NOCTTY)

    def say(self, data):
        while data:
            data = data[os.write(self.far, data):]

    def close(self):
        os.close(self.far)
        os.close(self.held)
        self.process.terminate()
        self.process.wait(10)


@limit(90)
def test_a_kill_of_the_agent_loses_no_byte_of_a_port_and_sends_none():
    with Site() as site:
        pair = Pair(site.folder)
        site.write_inventory(f'[console.sw1]\nline = "serial"\ndevice = "{site.folder}/port0"\nspeed = 115200\n')
        site.apply()
        site.wait_up("sw1")
        assert site.console("sw1")["facts"]["settings"] == "115200 8N1, flow none"
        lines = [b"sw1 %012d says something\r\n" % number for number in range(1, 301)]
        pair.say(b"".join(lines[:100]))
        site.wait_logged("sw1", 100)
        site.agents["local"].kill()
        pair.say(b"".join(lines[100:110]))  # waits in the port
        site.start_agent("local")
        pair.say(b"".join(lines[110:]))
        site.wait_logged("sw1", 300)
        pieces = site.log("sw1")
        assert log_reader.output(pieces) == b"".join(lines)
        assert [gap.gap_bytes for gap in log_reader.markers(pieces, "gap")] == [None], "what a kill may cost was not said"
        os.set_blocking(pair.far, False)
        try:
            assert os.read(pair.far, 1000) == b"", "the far end got what nobody typed"
        except BlockingIOError:
            pass
        pair.close()


@limit(90)
def test_a_port_that_vanishes_and_returns_is_the_same_line_with_the_gap_marked():
    with Site() as site:
        pair = Pair(site.folder)
        site.write_inventory(f'[console.sw1]\nline = "serial"\ndevice = "{site.folder}/port0"\n')
        site.apply()
        site.wait_up("sw1")
        pair.say(b"before\r\n")
        eventually(lambda: b"before" in log_reader.output(site.log("sw1")), 10, "output")
        pair.close()
        eventually(lambda: "no such device" in site.console("sw1")["detail"], 20, "the line to miss its port")
        assert "facts" not in site.console("sw1")
        pair = Pair(site.folder)
        site.wait_up("sw1")
        pair.say(b"after\r\n")
        eventually(lambda: b"after" in log_reader.output(site.log("sw1")), 10, "output")
        told = [piece.event if isinstance(piece, log_reader.Marker) else piece.data for piece in site.log("sw1")
                if not isinstance(piece, log_reader.Marker) or piece.event in ("up", "down", "gap")]
        assert told[:3] == ["up", b"before\r\n", "down"] and told[-3:] == ["gap", "up", b"after\r\n"], told
        pair.close()


@limit(60)
def test_a_port_that_another_program_has_is_left_alone_and_that_program_named():
    with Site() as site:
        pair = Pair(site.folder)
        name = os.path.realpath(f"{site.folder}/port0").removeprefix("/dev/").replace("/", "_")
        lock = f"/run/lock/LCK..{name}"
        with open(lock, "w") as file:
            file.write(f"{os.getpid():10d}\n")
        try:
            site.write_inventory(f'[console.sw1]\nline = "serial"\ndevice = "{site.folder}/port0"\n')
            site.apply()
            eventually(lambda: f"in use by another program: python3, process {os.getpid()}" in
                       site.console("sw1")["detail"], 10, "who has it")
        finally:
            os.unlink(lock)
        site.wait_up("sw1")
        with open(lock) as file:
            assert int(file.read()) == site.agents["local"].pid
        pair.close()
