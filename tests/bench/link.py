"""A bad link between two rooms: all that crosses it, in any connection, shares one queue with a rate and a delay in each
direction, as behind one router. usage: link.py BITS_PER_SECOND DELAY_MS TARGET_ADDRESS TARGET_PORT COUNT: listens on
COUNT ports (the first is printed; they follow each other) and relays each to TARGET_PORT + its index."""
import collections
import selectors
import socket
import sys
import time

QUEUE_BYTES_MAX = 64 * 1024  # what a router holds; then senders wait
PIECE_BYTES = 1400


class Direction:
    """One queue for all connections: pieces leave it at the rate and arrive after the delay."""

    def __init__(self, bits_per_second, delay_ms):
        self.bytes_per_s, self.delay_s = bits_per_second / 8, delay_ms / 1000
        self.pieces = collections.deque()  # (arrives at, sink, bytes)
        self.free_at, self.waiting = 0.0, 0

    def full(self, now):
        return (self.free_at - now) * self.bytes_per_s > QUEUE_BYTES_MAX

    def put(self, sink, data, now):
        self.free_at = max(self.free_at, now) + len(data) / self.bytes_per_s
        self.pieces.append((self.free_at + self.delay_s, sink, data))

    def deliver(self, now):
        while self.pieces and self.pieces[0][0] <= now:
            _, sink, data = self.pieces.popleft()
            try:
                sink.setblocking(True)
                sink.sendall(data) if data else sink.shutdown(socket.SHUT_WR)
                sink.setblocking(False)
            except OSError:
                pass  # it has gone


def listen(count):
    while True:
        listeners = [socket.create_server(("127.0.0.1", 0))]
        first = listeners[0].getsockname()[1]
        try:
            listeners += [socket.create_server(("127.0.0.1", first + index)) for index in range(1, count)]
            return first, listeners
        except OSError:
            for listener in listeners:
                listener.close()


def main():
    rate, delay_ms, address, port, count = (sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    there, back = Direction(float(rate), float(delay_ms)), Direction(float(rate), float(delay_ms))
    first, listeners = listen(count)
    print(first, flush=True)
    ready = selectors.DefaultSelector()
    for index, listener in enumerate(listeners):
        ready.register(listener, selectors.EVENT_READ, ("door", index))
    ends = {}  # socket -> (its peer, the direction it sends in)
    while True:
        now = time.monotonic()
        for way in (there, back):
            way.deliver(now)
        due = [way.pieces[0][0] - now for way in (there, back) if way.pieces]
        full = {way for way in (there, back) if way.full(now)}
        wait = max(0.0, min(due + [0.005 if full else 1.0]))
        for key, _ in ready.select(wait):
            if key.data and key.data[0] == "door":
                here, _ = key.fileobj.accept()
                far = socket.create_connection((address, port + key.data[1]))
                for end, other, way in ((here, far, there), (far, here, back)):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
                    ends[end] = (other, way)
                    ready.register(end, selectors.EVENT_READ, None)
                continue
            other, way = ends[key.fileobj]
            now = time.monotonic()
            if way.full(now):
                continue
            try:
                data = key.fileobj.recv(PIECE_BYTES)
            except OSError:
                data = b""
            way.put(other, data, now)
            if not data:
                ready.unregister(key.fileobj)
        if full:
            time.sleep(0.002)


if __name__ == "__main__":
    main()
