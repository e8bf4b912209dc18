"""A relay in front of one of oobd's ports, or of its UNIX socket, that can be cut, or go silent without closing
(half-open), and resume; and that can hold every byte back for a while, as a long way would."""
import collections
import select
import socket
import threading
import time


class TcpProxy:
    def __init__(self, target, delay_s=0):
        self.target, self.delay_s = target, delay_s
        self.later = collections.deque()  # (when, source, pair, bytes) on their way
        self._listen()
        self.lock = threading.Lock()
        self.pairs = []            # live (agent's side, server's side)
        self.forwarding = True     # False: half-open, bytes stay where they are
        self.accepting = True
        self.relayed = 0           # connections so far
        self.running = True
        self.ended = set()         # sources at their end, of a relay that delays
        self.wake_r, self.wake_w = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _listen(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]

    def _dial(self):
        return socket.create_connection(self.target, 5)

    def _poke(self):
        self.wake_w.send(b"x")

    def cut(self, accept=True):
        """Closes every connection; accept=False: refuses new ones until resume()."""
        with self.lock:
            self.accepting = accept
            for end in [end for pair in self.pairs for end in pair]:
                try:
                    end.shutdown(socket.SHUT_RDWR)  # the relay sees it and closes both
                except OSError:
                    pass  # closed already
        self._poke()

    def silence(self):
        """Nothing is forwarded any more, nothing is closed, not even by a peer that closes: a dead network."""
        with self.lock:
            self.forwarding = False
        self._poke()

    def resume(self, drop=True):
        """Forwards again; drop: connections that went silent are closed first, as a rebooted router would."""
        with self.lock:
            if drop and not self.forwarding:
                for pair in self.pairs:
                    self._close(pair)
                self.pairs.clear()
            self.forwarding = self.accepting = True
        self._poke()

    def close(self):
        self.running = False
        self._poke()
        self.thread.join(5)

    @staticmethod
    def _close(pair):
        for end in pair:
            end.close()

    def _accept(self):
        end, _ = self.listener.accept()
        if not self.accepting:
            end.close()
            return
        try:
            other = self._dial()
        except OSError:
            end.close()
            return
        for one in (end, other):
            if one.family != socket.AF_UNIX:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.pairs.append((end, other))
            self.relayed += 1

    def _relay(self, source, pair):
        sink = pair[1] if source is pair[0] else pair[0]
        try:
            got = source.recv(65536)
            if got and not self.delay_s:
                sink.sendall(got)
            if self.delay_s:  # the end of a stream takes as long as its bytes
                self.later.append((time.monotonic() + self.delay_s, source, pair, got))
            return bool(got) or bool(self.delay_s)
        except OSError:
            pass
        return False

    def _deliver(self):
        """What has been held back long enough; how long until the next."""
        while self.later:
            left = self.later[0][0] - time.monotonic()
            if left > 0:
                return left
            _, source, pair, got = self.later.popleft()
            sink = pair[1] if source is pair[0] else pair[0]
            try:
                sink.sendall(got) if got else sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            if not got:
                self.ended.add(source)
        return 60

    def _run(self):
        while self.running:
            with self.lock:
                ends = {end: pair for pair in self.pairs for end in pair if end.fileno() >= 0} if self.forwarding else {}
            try:
                # A silent network answers nobody: new connections wait in the backlog.
                doors = [self.listener] if self.forwarding else []
                wait_s = self._deliver()
                ready, _, _ = select.select(doors + [self.wake_r] + [end for end in ends if end not in self.ended], [],
                                            [], wait_s)
            except (OSError, ValueError):
                continue  # one was closed meanwhile
            if self.wake_r in ready:
                self.wake_r.recv(4096)
                continue
            if self.listener in ready:
                self._accept()
            for end in ready:
                pair = ends.get(end)
                if pair and pair in self.pairs and self.forwarding and not self._relay(end, pair):
                    with self.lock:
                        if pair in self.pairs:
                            self.pairs.remove(pair)
                    self._close(pair)
        self.listener.close()
        for pair in self.pairs:
            self._close(pair)


class UnixProxy(TcpProxy):
    """The same between two UNIX sockets."""

    def __init__(self, target, path):
        self.path = path
        super().__init__(target)

    def _listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)

    def _dial(self):
        other = socket.socket(socket.AF_UNIX)
        other.connect(self.target)
        return other
