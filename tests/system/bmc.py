"""BMCs for system tests: RudeBmc is tests/simulators/rude_bmc, which has faults on order; SimBmc is OpenIPMI's ipmi_sim;
and the clients that people have, ipmitool and FreeIPMI's."""
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import log_reader
from harness import ROOT, SLOW, Site, die_with_parent, eventually, program, tool
from stream import Stream
from terminal import Terminal

sys.path.insert(0, f"{ROOT}/tests/simulators")
from udp_relay import UdpRelay  # noqa: E402,F401

USER, PASSWORD = "admin", "secret"


class RudeBmc:
    """`count` BMCs in one process; order() tells them what to be: rude_bmc --help."""

    def __init__(self, count=1, scale=1, seed=1, addresses=False):
        self.process = subprocess.Popen(
            [program("rude_bmc"), str(count), "--scale", str(scale), "--seed", str(seed), *(["--addresses"] if addresses else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        ready, self.address, port = self.process.stdout.readline().split()
        assert ready == "ready"
        self.port, self.addresses, self.lock = int(port), addresses, threading.Lock()

    def order(self, text, which="all"):
        with self.lock:
            self.process.stdin.write(f"{which} {text}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().rstrip("\n")
        assert answer and not answer.startswith("error"), f"{text}: {answer}"
        return answer

    def state(self, which=0):
        return json.loads(self.order("state", which))

    def wait(self, check, which=0, timeout_s=10, what="the BMC"):
        """Until check(state) is true; the state."""
        def look():
            state = self.state(which)
            return state if check(state) else None
        return eventually(look, timeout_s, what)

    def wait_ours(self, which=0, timeout_s=20):
        return self.wait(lambda state: state["sol"]["ours"], which, timeout_s, "SOL to be ours")

    def where(self, which=0):
        """Address and port of one."""
        if not self.addresses:
            return self.address, self.port + which
        head, _, last = self.address.rpartition(".")
        number = int(last) + which
        middle, _, third = head.rpartition(".")
        return f"{middle}.{int(third) + number // 256}.{number % 256}", self.port

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class SimBmc:
    """ipmi_sim on an address of its own, port 623: one process, one BMC. `sol`: where its serial line leads, as its `sol`
    setting says it ("tcp:127.0.0.1:9000"). `start`: a command that is the machine; else a file is its power."""
    numbers = itertools.count()

    def __init__(self, sol, start=None, serial=None):
        self.folder = tempfile.mkdtemp(prefix="oobi.", dir="/tmp")
        self.sol, self.start_command, self.serial = sol, start, serial
        for attempt in range(20):
            number = os.getpid() + (next(self.numbers) + attempt) * 7919
            self.address = f"127.{200 + number % 40}.{number // 40 % 250}.{1 + number // 10000 % 250}"
            try:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                    end.bind((self.address, 623))
                break
            except OSError:
                pass
        self.port = 623
        os.makedirs(f"{self.folder}/st/ipmi_sim/b")
        self._write("power", "1")
        self._write("chassis", f"""#!/bin/sh
F={self.folder}/power; op=$2; shift 2
while [ $# -gt 0 ]; do
  if [ "$op" = get ]; then
    case $1 in power) echo "power:$(cat $F)";; boot) echo boot:default;; *) exit 1;; esac; shift
  else
    case $1 in power) echo "$2" >$F;; shutdown) echo 0 >$F;; reset|boot) ;; identify) [ $# -gt 2 ] && shift;; *) exit 1;; esac
    shift 2
  fi
done
""")
        os.chmod(f"{self.folder}/chassis", 0o755)
        machine = f'  chassis_control "{self.folder}/chassis b"\n' if not start else (
            f'  serial 15 127.0.0.1 {serial} codec VM\n  startcmd "{start}"\n  startnow false\n  poweroff_wait 2\n  kill_wait 1\n')
        # LAN on channel 14: ipmi_sim 2.0.33 dies of a question about "this channel" otherwise.
        self._write("conf", f"""name "b"
set_working_mc 0x20
  startlan 14
    addr {self.address} 623
    priv_limit admin
    allowed_auths_callback none md5 straight
    allowed_auths_user none md5 straight
    allowed_auths_operator none md5 straight
    allowed_auths_admin none md5 straight
    guid 000000000000000000000000000000a1
  endlan
  sol "{sol}" 115200 history=8000
{machine}  user 2 true "{USER}" "{PASSWORD}" admin 10 none md2 md5 straight
""")
        self._write("emu", "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 1 0 0x9f 0x2a7c 0x0001 persist_sdr\n"
                    "sel_enable 0x20 500 0x0a\nmc_enable 0x20\n")
        self.run()

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)

    def run(self):
        self.process = subprocess.Popen(
            [tool("ipmi_sim", "openipmi"), "-n", "-c", f"{self.folder}/conf", "-f", f"{self.folder}/emu", "-s", f"{self.folder}/st"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=die_with_parent)
        eventually(lambda: ipmitool(self, "chassis", "power", "status", check=False).returncode == 0, 20, "ipmi_sim")

    def where(self, _=0):
        return self.address, self.port

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # its machine too
        except ProcessLookupError:
            pass
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ipmitool_argv(bmc, *arguments, which=0, suite=None, interface="lanplus", user=USER, options=()):
    address, port = bmc.where(which)
    if suite is None:
        suite = 17 if isinstance(bmc, RudeBmc) else 3
    return [tool("ipmitool", "ipmitool"), "-I", interface, *(["-C", str(suite)] if interface == "lanplus" else []), "-H", address,
            "-p", str(port), "-U", user, "-E", "-R", "3", "-N", "1", *options, *arguments]


def ipmitool(bmc, *arguments, password=PASSWORD, check=True, timeout_s=30, **how):
    done = subprocess.run(ipmitool_argv(bmc, *arguments, **how), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=timeout_s * SLOW, env={**os.environ, "IPMI_PASSWORD": password})
    assert not check or done.returncode == 0, f"ipmitool {' '.join(arguments)}: {done.returncode} {done.stdout}{done.stderr}"
    return done


def ipmitool_console(bmc, **how):
    """`ipmitool sol activate` in a terminal of its own."""
    terminal = Terminal(ipmitool_argv(bmc, "sol", "activate", **how), {"IPMI_PASSWORD": PASSWORD})
    terminal.wait(r"SOL Session operational", 20)
    eventually(terminal.is_raw, 10, "ipmitool to make its terminal raw")
    return terminal


def freeipmi_argv(name, bmc, *arguments, which=0, suite=17):
    address, port = bmc.where(which)
    return [tool(name, "freeipmi-tools"), "-h", f"{address}:{port}", "-u", USER, "-p", PASSWORD, "-l", "ADMIN", "-I", str(suite),
            *(["-D", "LAN_2_0"] if name != "ipmiconsole" else []), *arguments]


# --- our own consoles over them ---
def sol_console(name, bmc, which=0, **settings):
    """Inventory text of a console on a BMC's serial line; the secret is SolSite's."""
    address, port = bmc.where(which)
    lines = {"line": "sol", "agent": "local", "address": address, "port": port, "user": USER, "password-file": "bmc.password",
             **{key.replace("_", "-"): value for key, value in settings.items()}}
    return f"[console.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


class SolSite(Site):
    """A Site whose inventory's folder has the BMCs' password."""

    def __init__(self, inventory, password=PASSWORD):
        super().__init__(inventory, start=False)
        try:
            self.write_password(password)
            self.start_server()
            self.start_agent("local")
        except BaseException:
            self.close(failed=True)
            raise

    def write_password(self, password, name="bmc.password"):
        path = f"{self.folder}/inventory.d/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password + "\n")

    def wait_detail(self, name, text, timeout_s=20):
        """Until the console is down, with such words as the reason."""
        def look():
            console = self.console(name)
            return console["state"] != "up" and text in console["detail"]
        eventually(look, timeout_s, f"{name} to be down with ..{text}.. (is {self.console(name)})")

    def wait_noted(self, name, text, timeout_s=20):
        """Until a marker in the console's log says such words; the marker."""
        def look():
            pieces = log_reader.read(self.log_path(name), whole=False)
            return next((marker for marker in log_reader.markers(pieces) if text in marker.text), None)
        return eventually(look, timeout_s, f"..{text}.. in the log of {name}")


def writer_of(site, name):
    """A stream that has the seat at a console, and its channel."""
    stream = Stream(site.socket)
    channel = stream.attach(name, write=True)
    stream.pump(lambda: channel.seat, 10 * SLOW, "the writer's seat")
    return stream, channel


def type_all(stream, channel, text, at_once=1000, timeout_s=60):
    """Types all of it; what was not taken in time is typed again."""
    begin = 0
    while begin < len(text):
        fate = stream.fate(channel, stream.type(channel, text[begin:begin + at_once]), timeout_s * SLOW)
        begin += fate["written"]


def leave(stream, channel):
    """In order, so that the seat is free at once."""
    stream.send_json({"type": "detach", "channel": channel.number})
    stream.wait(channel, "detached")
    stream.close()


def answers(site, name, text=b"still here"):
    """The console takes input, and its host echoes it."""
    stream, channel = writer_of(site, name)
    begin = len(channel.output)
    type_all(stream, channel, text)
    stream.wait_output(channel, text, 20 * SLOW, begin)
    leave(stream, channel)


def check_said(pieces, name):
    """What of a rude_bmc's numbered lines is in a log: in order, nothing twice, and what is missing is missing at a gap's
    marker. How many bytes, and how many markers of a gap."""
    at, size, gap, bytes_seen, gaps = 0, 80, True, 0, 0
    tail = b"." * (size - 2 - len(name) - 14) + b"\r\n"
    for piece in pieces:
        if isinstance(piece, log_reader.Marker):
            gaps += piece.is_gap
            gap = gap or piece.is_gap
            continue
        bytes_seen += len(piece.data)
        if gap:
            found = re.search(name.encode() + rb" (\d{12}) ", piece.data)
            if not found:
                continue  # a scrap between two gaps
            begin = (int(found.group(1)) - 1) * size - found.start()
            assert begin >= at, f"{piece.data[:100]!r} at log offset {piece.offset} was there before"
            at, gap = begin, False
        want = log_reader.numbered_bytes(f"{name} ".encode(), b" " + tail, at, len(piece.data))
        assert piece.data == want, f"at log offset {piece.offset}: {piece.data[:200]!r}, and not {want[:200]!r}"
        at += len(piece.data)
    return bytes_seen, gaps
