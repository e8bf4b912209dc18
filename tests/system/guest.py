"""A guest machine under QEMU, its processor emulated: a Linux with busybox and programs of ours. We talk to its shell by
ttyS0; what its second UART (ttyS1, a 16550) is told, QEMU writes down register by register, and the line behind it is
a telnet connection that can send a break (RFC 854: IAC BRK)."""
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import ROOT, SANITIZED, SLOW, die_with_parent, eventually, tool

IAC, BRK = 255, 243
LCR, MCR = 3, 4            # registers of a 16550: line control, modem control
BREAK, DLAB = 0x40, 0x80   # in LCR
DTR, RTS = 0x01, 0x02      # in MCR


class Stream:
    """One end of a socket, read all the time."""

    def __init__(self, peer, telnet=False):
        self.socket, self.telnet, self.got = peer, telnet, bytearray()
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                data = b""
            with self.changed:
                self.got += data
                self.changed.notify_all()
            if not data:
                return

    def send(self, data):
        self.socket.sendall(data)

    def received(self):
        # QEMU's own telnet negotiation comes first: three bytes each.
        return re.sub(rb"\xff[\xfb-\xfe].", b"", bytes(self.got), flags=re.S) if self.telnet else bytes(self.got)

    def wait(self, pattern, since=0, timeout_s=30):
        """The match of a pattern in what came after byte `since`."""
        with self.changed:
            found = []
            self.changed.wait_for(lambda: found.append(re.search(pattern.encode(), self.received()[since:], re.S)) or found[-1],
                                  timeout_s * SLOW)
            assert found[-1], f"no /{pattern}/ in {timeout_s * SLOW} s; the end: {self.received()[since:][-1500:]!r}"
            return found[-1]


def kernel_modules(*names):
    """Paths of modules of the guest's kernel, each behind those that it needs."""
    kernel = max(glob.glob("/lib/modules/*-amd64"), key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    paths = []
    for name in names:
        shown = subprocess.run([tool("modprobe", "kmod"), "--show-depends", "-S", os.path.basename(kernel), name],
                               check=True, capture_output=True, text=True).stdout
        paths += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
    return list(dict.fromkeys(paths))


class Guest:
    """`programs` are copied to its /bin; `hardware` are more options of QEMU."""

    def __init__(self, programs=(), hardware=()):
        self.hardware = list(hardware)
        self.folder = tempfile.mkdtemp(prefix="oobg.", dir="/tmp")
        try:
            self._start(programs)
        except BaseException:
            self.close()
            raise

    def _start(self, programs):
        made = subprocess.run([f"{ROOT}/packaging/make-guest", f"{self.folder}/disk", *programs], check=True, text=True,
                              capture_output=True, timeout=60 * SLOW)
        qemu = tool("qemu-system-x86_64", "qemu-system-x86")
        # ThreadSanitizer's runtime needs SSE 4.2, which QEMU's plain processor has not.
        self.process = subprocess.Popen(
            [qemu, "-accel", "tcg", "-cpu", "Nehalem", "-m", "1536" if SANITIZED else "384", "-display", "none", "-nodefaults", "-no-reboot", "-monitor", "none",
             "-kernel", made.stdout.strip(), "-initrd", f"{self.folder}/disk", "-append", "console=ttyS0 quiet",
             "-chardev", f"socket,id=a,path={self.folder}/a,server=on,wait=off", "-serial", "chardev:a",
             "-chardev", f"socket,id=b,path={self.folder}/b,server=on,wait=off,telnet=on", "-serial", "chardev:b",
             *self.hardware, "-D", f"{self.folder}/trace", "-trace", "serial_write", "-trace", "serial_update_parameters"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.shell, self.line = self._connect("a"), self._connect("b", telnet=True)
        self.commands = 0
        self.shell.wait(r"login: ", timeout_s=60)
        self.shell.send(b"root\n")
        self.shell.wait(r"# ")
        # The terminal is left as the login made it: its UART is not touched from here on, so that all that is traced
        # is of ttyS1.
        self.run("stty -echo; PS1= PS2=")

    def _connect(self, name, telnet=False):
        peer = socket.socket(socket.AF_UNIX)
        eventually(lambda: peer.connect_ex(f"{self.folder}/{name}") == 0, 20, "QEMU")
        return Stream(peer, telnet)

    def run(self, command, timeout_s=30):
        """Runs a shell command in the guest; what it printed. Its status has to be 0."""
        self.commands += 1
        mark, end = len(self.shell.received()), f"end-{self.commands}"
        self.shell.send(f"{{ {command}\n}} 2>&1; echo {end[:-1]}''{end[-1]}=$?\n".encode())
        found = self.shell.wait(rf"(.*){end}=(\d+)", mark, timeout_s)
        text = found.group(1).decode("utf-8", "replace").replace("\r\n", "\n")
        assert found.group(2) == b"0", f"in the guest: {command}: {text}"
        return text

    def wait_for(self, command, timeout_s=30):
        """Until the command succeeds in the guest."""
        self.run(f"n=0; until {command}; do n=$((n+1)); [ $n -lt {int(timeout_s * SLOW * 5)} ] || break; "
                        f"sleep 0.2; done; {command}", timeout_s + 10)

    # --- what the UART was told ---
    def trace(self, since=0):
        with open(f"{self.folder}/trace") as file:
            return file.read().splitlines()[since:]

    def mark(self):
        return len(self.trace())

    def registers(self, number, since=0):
        """All values written to a register, in order."""
        found = [re.search(r"serial_write .*addr 0x0?(\d) val 0x([0-9a-f]{2})", line) for line in self.trace(since)]
        return [int(match.group(2), 16) for match in found if match and int(match.group(1)) == number]

    def set_to(self, since=0):
        """The last framing and speed it was set to: (19200, "E", 7, 2)."""
        found = [re.search(r"serial_update_parameters .*baudrate=(\d+) parity='(.)' data=(\d) stop=(\d)", line)
                 for line in self.trace(since)]
        last = [match for match in found if match][-1]
        return int(last.group(1)), last.group(2), int(last.group(3)), int(last.group(4))

    def close(self):
        process = getattr(self, "process", None)
        if process:
            process.kill()
            process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
