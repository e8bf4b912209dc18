"""A minimal client of schema/stream.md over a UNIX socket: WebSocket (RFC 6455) by hand, so that a test decides every
byte. It checks what the protocol promises: output of a channel has no hole and no repeat unless a message said so."""
import json
import select
import socket
import struct
import time


class StreamClosed(Exception):
    pass


class StreamError(AssertionError):
    pass


class Channel:
    def __init__(self, number):
        self.number = number
        self.output = bytearray()
        self.next = None         # log offset of the next byte; None: wherever the replay begins
        self.live_from = None    # below it: replay
        self.messages = []       # JSON messages of this channel, in order
        self.seat = 0
        self.sequence = 0
        self.skipped = 0         # bytes that a message said are missing, for all or for this client


class Stream:
    def __init__(self, path, target="/v1/stream"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.socket.sendall((f"GET {target} HTTP/1.1\r\nHost: oob\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.raw = bytearray()
        while b"\r\n\r\n" not in self.raw:
            self._receive(10)
        head, _, rest = bytes(self.raw).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise StreamError(f"no upgrade: {head!r}{rest!r}")
        self.raw = bytearray(rest)
        self.channels = {}
        self.messages = []       # those of no channel
        self.parts, self.part_kind = bytearray(), 0
        self.clock_ms = 0        # server's steady clock minus ours, the largest seen
        self.pump(lambda: self.clock_ms != 0, 10)

    # --- frames ---
    def send_frame(self, opcode, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        self.socket.sendall(head + bytes(4) + payload)  # a mask of zeros changes nothing

    def send_json(self, message):
        self.send_frame(1, json.dumps(message).encode())

    def _receive(self, timeout_s):
        if not select.select([self.socket], [], [], max(0, timeout_s))[0]:
            return False
        try:
            got = self.socket.recv(262144)
        except ConnectionError as error:
            raise StreamClosed(str(error)) from error
        if not got:
            raise StreamClosed("end of stream")
        self.raw += got
        return True

    def _frame(self):
        if len(self.raw) < 2:
            return None
        size, at = self.raw[1] & 0x7F, 2
        if size == 126:
            if len(self.raw) < 4:
                return None
            size, at = struct.unpack_from("!H", self.raw, 2)[0], 4
        elif size == 127:
            if len(self.raw) < 10:
                return None
            size, at = struct.unpack_from("!Q", self.raw, 2)[0], 10
        if len(self.raw) < at + size:
            return None
        first, payload = self.raw[0], bytes(self.raw[at:at + size])
        del self.raw[:at + size]
        return first, payload

    def _take_frame(self, first, payload):
        opcode = first & 0x0F
        if opcode == 9:
            self.send_frame(10, payload)
        elif opcode == 8:
            raise StreamClosed(payload[2:].decode("utf-8", "replace") or "closed by the server")
        elif opcode in (0, 1, 2):
            if opcode:
                self.parts, self.part_kind = bytearray(), opcode
            self.parts += payload
            if first & 0x80:
                if self.part_kind == 1:
                    self._take_message(json.loads(bytes(self.parts)))
                else:
                    self._take_output(bytes(self.parts))

    def _take_output(self, message):
        kind, number, offset = struct.unpack_from("!BIQ", message)
        if kind != 2:
            raise StreamError(f"binary message of kind {kind}")
        channel = self.channels[number]
        if channel.next is not None and offset != channel.next:
            raise StreamError(f"channel {number}: output at {offset}, expected {channel.next}")
        channel.output += message[13:]
        channel.next = offset + len(message) - 13

    def _take_message(self, message):
        if message["type"] == "tick":
            ours = time.monotonic() * 1000
            self.clock_ms = max(self.clock_ms, message["ms"] - ours) if self.clock_ms else message["ms"] - ours
            return
        channel = self.channels.get(message.get("channel"))
        if channel is None:
            self.messages.append(message)
            return
        channel.messages.append(message)
        if message["type"] == "attached":
            channel.live_from = message["offset"]
        if "seat" in message:
            channel.seat = message["seat"]
        if message["type"] in ("gap", "lagged") and channel.next is not None:
            channel.next = message["offset"] + message.get("bytes", 0)
            channel.skipped += message.get("bytes", 0)

    # --- what tests use ---
    def pump(self, done=None, timeout_s=10.0, what=""):
        """Takes messages until done() holds; without one, for timeout_s. Raises TimeoutError, StreamClosed."""
        deadline = time.monotonic() + timeout_s
        while True:
            frame = self._frame()
            while frame:
                self._take_frame(*frame)
                frame = self._frame()
            if done and done():
                return
            left = deadline - time.monotonic()
            if left <= 0:
                if done:
                    raise TimeoutError(f"stream: waited {timeout_s} s for {what or 'an event'}")
                return
            self._receive(left)

    def wait(self, channel, kind, timeout_s=10.0, after=0):
        """The first message of a type (or of one of several) in the channel, from its message number `after` on."""
        kinds = (kind,) if isinstance(kind, str) else kind
        found = []

        def here():
            found[:] = [m for m in channel.messages[after:] if m["type"] in kinds]
            return bool(found)

        self.pump(here, timeout_s, f"{kind} (has {[m['type'] for m in channel.messages[after:]]})")
        return found[0]

    def open(self, console, **fields):
        number = max(self.channels, default=0) + 1
        channel = self.channels[number] = Channel(number)
        channel.next = fields.get("offset")
        self.send_json({"type": "attach", "channel": number, "console": console, **fields})
        return channel

    def attach(self, console, **fields):
        channel = self.open(console, **fields)
        answer = self.wait(channel, ("attached", "error"))
        if answer["type"] == "error":
            raise StreamError(f"attach {console}: {answer}")
        return channel

    def type(self, channel, keys, age_ms=0, seat=None, sequence=None):
        """Sends keys as if they had been typed age_ms ago; returns their sequence number."""
        channel.sequence += 1
        number = channel.sequence if sequence is None else sequence
        deadline = int(time.monotonic() * 1000 + self.clock_ms) + 2000 - age_ms
        self.send_frame(2, struct.pack("!BIQQq", 1, channel.number, channel.seat if seat is None else seat, number,
                                       deadline) + keys)
        return number

    def fate(self, channel, sequence, timeout_s=10.0):
        """The `input` message that tells what became of a batch."""
        def find():
            return next((m for m in channel.messages if m["type"] == "input" and m["sequence"] == sequence), None)
        self.pump(lambda: find() is not None, timeout_s, f"the fate of input {sequence}")
        return find()

    def wait_output(self, channel, text, timeout_s=10.0, begin=0):
        self.pump(lambda: text in channel.output[begin:], timeout_s, f"output {text!r}")

    def replay(self, channel, lines):
        channel.next = None
        self.send_json({"type": "replay", "channel": channel.number, "lines": lines})

    def close(self):
        self.socket.close()
