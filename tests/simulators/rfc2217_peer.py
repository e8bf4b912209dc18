"""A console server's port over telnet with RFC 2217, for what no peer in reach has: modem lines, line errors and breaks
that a test decides, and the faults of peers in the field. One connection at a time; loopback only. As a program it
serves a port that echoes: rfc2217_peer.py PORT [FAULT]"""
import socket
import struct
import sys
import threading
import time

IAC, SE, NOP, BRK, SB, WILL, WONT, DO, DONT = 255, 240, 241, 243, 250, 251, 252, 253, 254
BINARY, ECHO, GO_AHEAD, PORT = 0, 1, 3, 44
SIGNATURE, SPEED, DATA_BITS, PARITY, STOP_BITS, CONTROL, LINE_STATE, MODEM_STATE = range(8)
SUSPEND, RESUME, LINE_MASK, MODEM_MASK, PURGE = range(8, 13)
BREAK_SEEN, FRAMING, PARITY_ERROR, OVERRUN = 16, 8, 4, 2
CTS, DSR, RI, DCD = 16, 32, 64, 128

FAULTS = ("silent",      # takes the option and answers no message of it
          "refuses",     # has 9600 8N1 whatever is asked
          "no-option",   # DONT
          "deaf",        # answers no negotiation
          "negotiates",  # WILL and WONT without end
          "half",        # begins a message and does not end it
          "floods")      # IAC NOP without end


class Rfc2217Peer:
    def __init__(self, fault=None, port=0, echo=False):
        assert fault in (None, *FAULTS), fault
        self.fault, self.echo = fault, echo
        self.listener = socket.create_server(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.changed = threading.Condition()
        self.typed = bytearray()  # by the client, without telnet
        self.told = []            # negotiation and messages, in order: (DO, 44), (SPEED, b"..")
        self.breaks = []          # seconds; None: IAC BRK
        self.speed, self.framing, self.flow = 9600, {DATA_BITS: 8, PARITY: 1, STOP_BITS: 1}, 1
        self.modem, self.connections = CTS | DSR | DCD, 0
        self.peer = self.break_since = None
        self.alive = True
        threading.Thread(target=self._serve, daemon=True).start()

    # --- what a test does ---
    def say(self, data):
        self._send(data.replace(b"\xff", b"\xff\xff"))

    def set_modem(self, lines):
        self.modem = lines
        self._message(MODEM_STATE, bytes([lines]))

    def line_state(self, bits):
        self._message(LINE_STATE, bytes([bits]))

    def suspend(self, on):
        self._message(SUSPEND if on else RESUME, b"")

    def wait(self, check, timeout_s=20):
        with self.changed:
            assert self.changed.wait_for(check, timeout_s), f"RFC 2217 peer: waited {timeout_s} s; told {self.told[-12:]}"

    def hang_up(self):
        if self.peer:
            self.peer.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.alive = False
        self.listener.close()
        try:
            self.hang_up()
        except OSError:
            pass

    # --- the wire ---
    def _send(self, data):
        self.wait(lambda: self.peer is not None)
        self.peer.sendall(data)

    def _message(self, code, value):
        body = bytes([code + 100]) + value
        self._send(bytes([IAC, SB, PORT]) + body.replace(b"\xff", b"\xff\xff") + bytes([IAC, SE]))

    def _serve(self):
        while self.alive:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.peer, self.connections = peer, self.connections + 1
                self.changed.notify_all()
            if self.fault in ("negotiates", "floods"):
                threading.Thread(target=self._storm, args=(peer,), daemon=True).start()
            elif self.fault == "half":
                peer.sendall(bytes([IAC, SB, PORT]) + b"half a message")
            elif self.fault != "deaf":
                peer.sendall(bytes([IAC, WILL, GO_AHEAD, IAC, WILL, ECHO, IAC, WILL, BINARY, IAC, DO, BINARY]))
            try:
                self._read(peer)
            except OSError:
                pass
            with self.changed:
                self.peer = None

    def _storm(self, peer):
        block = bytes([IAC, WILL, ECHO, IAC, WONT, ECHO]) if self.fault == "negotiates" else bytes([IAC, NOP])
        try:
            while self.alive:
                peer.sendall(block * 500 + b"storm\r\n")
                time.sleep(0.001)
        except OSError:
            pass

    def _read(self, peer):
        rest = b""
        while True:
            got = peer.recv(65536)
            if not got:
                return
            rest = self._take(rest + got)
            with self.changed:
                self.changed.notify_all()

    def _take(self, data):
        """Takes all whole commands and bytes off the front; the rest."""
        while data:
            at = data.find(bytes([IAC]))
            if at != 0:
                plain = data if at < 0 else data[:at]
                self.typed += plain
                if self.echo:
                    self.say(plain)
                data = data[len(plain):]
                continue
            if len(data) < 2:
                break
            verb = data[1]
            if verb == IAC:
                self.typed.append(IAC)
                data = data[2:]
            elif verb == SB:
                end = data.find(bytes([IAC, SE]), 2)  # an IAC within is doubled: no message of the option ends in one
                if end < 0:
                    break
                body, data = data[3:end].replace(b"\xff\xff", b"\xff"), data[end + 2:]
                if body:
                    self._asked(body[0], body[1:])
            elif verb in (WILL, WONT, DO, DONT):
                if len(data) < 3:
                    break
                self._negotiated(verb, data[2])
                data = data[3:]
            else:
                if verb == BRK:
                    self.breaks.append(None)
                data = data[2:]
        return data

    def _negotiated(self, verb, option):
        self.told.append((verb, option))
        if verb == WILL and option == PORT and self.fault not in ("deaf", "negotiates", "floods", "half"):
            self._send(bytes([IAC, DONT if self.fault == "no-option" else DO, PORT]))

    def _asked(self, code, value):
        self.told.append((code, value))
        if self.fault == "silent":
            return
        fixed = self.fault == "refuses"
        if code == SIGNATURE and not value:
            self._message(code, b"simulated port")
        elif code == SPEED:
            speed, = struct.unpack(">I", value)
            self.speed = self.speed if fixed or not speed else speed
            self._message(code, struct.pack(">I", self.speed))
        elif code in self.framing:
            self.framing[code] = self.framing[code] if fixed or not value[0] else value[0]
            self._message(code, bytes([self.framing[code]]))
        elif code == CONTROL:
            self._control(value[0], fixed)
        elif code in (LINE_MASK, MODEM_MASK, PURGE):
            self._message(code, value)
            if code == MODEM_MASK:
                self._message(MODEM_STATE, bytes([self.modem]))

    def _control(self, value, fixed):
        if value == 5:
            self.break_since = time.monotonic()
        elif value == 6 and self.break_since is not None:
            self.breaks.append(time.monotonic() - self.break_since)
            self.break_since = None
        elif value in (1, 2, 3) and not fixed:
            self.flow = value
        answers = {0: self.flow, 1: self.flow, 2: self.flow, 3: self.flow, 4: 6, 7: 8, 10: 11}
        self._message(CONTROL, bytes([answers.get(value, value)]))


if __name__ == "__main__":
    Rfc2217Peer(sys.argv[2] if len(sys.argv) > 2 else None, int(sys.argv[1]), echo=True)
    threading.Event().wait()
