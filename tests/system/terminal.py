"""A terminal with a program in it: a pty whose settings can be compared before and after, and all that was shown."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time

from harness import SLOW


class Terminal:
    def __init__(self, argv, environment, rows=24, columns=100):
        self.master, self.slave = pty.openpty()  # the slave stays open here: its settings outlive the program
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.shown = bytearray()
        self.changed = threading.Condition()
        self.process = subprocess.Popen(argv, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env={**os.environ, **environment, "TERM": "vt100"}, preexec_fn=self._own_terminal)
        threading.Thread(target=self._read, daemon=True).start()

    def _own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _read(self):
        while True:
            try:
                got = os.read(self.master, 65536)
            except OSError:
                return
            with self.changed:
                self.shown += got
                self.changed.notify_all()

    def wait(self, pattern, timeout_s=10, begin=0):
        """The match of a pattern in what was shown from byte `begin` on."""
        pattern = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.S)
        deadline = time.monotonic() + timeout_s * SLOW
        with self.changed:
            while True:
                found = pattern.search(self.shown, begin)
                if found:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"terminal: waited for {pattern.pattern!r}; shown: {bytes(self.shown[begin:][-600:])!r}"
                self.changed.wait(left)

    def type(self, keys):
        os.write(self.master, keys)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def ended(self, timeout_s=10):
        """Its exit status (negative: by that signal)."""
        return self.process.wait(timeout_s * SLOW)

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(5)
        os.close(self.slave)
