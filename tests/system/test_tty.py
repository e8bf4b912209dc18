"""`oob tty`: a console as a pty or an RFC 2217 port, used by programs that know serial ports only: pyserial, gdb."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import log_reader
import serial

from harness import SHELL_USER, SLOW, Equipment, Site, die_with_parent, eventually, free_port, limit, program, tool
from terminal import Terminal

ECHO = '[console.echo]\nline = "test"\n'


class Tty:
    """`oob tty` as a process; `device` is what it printed."""

    def __init__(self, site, *arguments):
        self.process = subprocess.Popen([program("oob"), "tty", *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "OOB_SOCKET": site.socket}, preexec_fn=die_with_parent)
        self.said, self.changed = "", threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.device = self.process.stdout.readline().strip()

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.said += line
                self.changed.notify_all()

    def wait(self, pattern, timeout_s=20):
        with self.changed:
            assert self.changed.wait_for(lambda: re.search(pattern, self.said), timeout_s * SLOW), self.said

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(10 * SLOW)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def read_until(port, end, timeout_s=20):
    """What a serial port of pyserial's gives up to `end`."""
    got, deadline = b"", time.monotonic() + timeout_s * SLOW
    while not got.endswith(end):
        got += port.read(1)
        assert time.monotonic() < deadline, got
    return got


def test_a_program_has_the_console_as_a_pty_and_the_seat_meanwhile():
    with Site(ECHO) as site:
        site.wait_up("echo")
        link = f"{site.folder}/dev-echo"
        with Tty(site, "echo", "--link", link) as tty:
            assert tty.device == link and os.readlink(link).startswith("/dev/pts/")
            assert os.stat(link).st_mode & 0o777 == 0o600
            with serial.Serial(link, 115200, timeout=0.2) as port:
                data = bytes(range(256)) * 20
                sender = threading.Thread(target=port.write, args=(data,))
                sender.start()
                assert read_until(port, data) == data
                sender.join()
            # Who has the seat is seen; another `oob tty` says so and ends; a reader reads on.
            assert re.search(r"echo +\S+ +read-write", site.oob("who", "echo").stdout)
            other = site.oob("tty", "echo", check=False)
            assert other.returncode == 1 and re.match(r"oob: echo: \S+ is writing; --force takes over", other.stderr), other
            with Tty(site, "echo", "-r") as reader, serial.Serial(reader.device, timeout=0.2) as look_on:
                # Opened anew, it is raw whatever the last one made of it, and goes on.
                with serial.Serial(link, timeout=0.2) as port:
                    port.write(b"again\r")
                    assert read_until(port, b"\r") == b"again\r"
                assert read_until(look_on, b"\r").endswith(b"again\r")
                look_on.write(b"x")
                reader.wait(r"1 key dropped: read-only")
            # Somebody takes over: said, what the program writes is dropped and said, what it reads goes on.
            with Tty(site, "-f", "echo") as taker:
                tty.wait("you are now read-only")
                with serial.Serial(link, timeout=0.2) as port, serial.Serial(taker.device, timeout=0.2) as theirs:
                    port.write(b"dropped")
                    tty.wait("7 keys dropped: read-only")
                    theirs.write(b"heard\r")
                    assert read_until(port, b"heard\r").endswith(b"heard\r")
                assert taker.end() == -signal.SIGINT
            assert tty.end() == -signal.SIGINT and not os.path.lexists(link)
            assert "echo" not in site.oob("who", "echo").stdout


def test_a_link_that_was_left_is_replaced_and_nothing_else_is():
    with Site(ECHO) as site:
        site.wait_up("echo")
        link = f"{site.folder}/link"
        os.symlink("/dev/pts/99999", link)
        with Tty(site, "echo", "--link", link) as tty:
            assert tty.device == link and os.path.exists(link)
            tty.end(signal.SIGTERM)
        for make in (lambda: open(link, "w").close(), lambda: os.symlink("/dev/null", link)):
            make()
            done = site.oob("tty", "echo", "--link", link, check=False)
            assert done.returncode == 2 and "is there already" in done.stderr, done
            os.unlink(link)
        for arguments, status, text in ((["echo", "--rfc2217", "99999"], 2, "99999"), (["ech", "--link", "/nowhere/x"], 2, "No such"),
                                        (["nothing"], 4, "nothing"), ([], 2, "NAME is required")):
            done = site.oob("tty", *arguments, check=False)
            assert done.returncode == status and text in done.stderr and not done.stdout, done


def test_a_program_has_the_console_by_rfc_2217_with_break_and_modem_lines():
    device = Equipment()
    with Site(f'[console.sw1]\nline = "telnet"\naddress = "{device.address}"\n') as site:
        site.wait_up("sw1")
        with Tty(site, "sw1", "--rfc2217", "0") as tty:
            assert re.fullmatch(r"rfc2217://127\.0\.0\.1:\d+", tty.device)
            with serial.serial_for_url(tty.device, baudrate=19200, parity="E", bytesize=7, timeout=0.2) as port:
                port.write(b"show\r\xff")
                device.wait_received(b"show\r\0\xff\xff")
                device.say(b"\xff\xffanswer\r\0\n")
                assert read_until(port, b"\n") == b"\xffanswer\r\n"
                assert port.cts and port.dsr and port.cd and not port.ri
                port.send_break(0.3)
                device.wait_received(b"\xff\xf3")
                port.reset_input_buffer()
                port.reset_output_buffer()
                port.baudrate = 115200
                # One program at a time.
                host, number = tty.device[len("rfc2217://"):].split(":")
                second = socket.create_connection((host, int(number)))
                second.settimeout(10)
                assert b"another program has sw1 here already" in second.recv(1000) and not second.recv(1)
                # The line goes down: DSR and DCD say so.
                device.listener.close()
                device.hang_up()
                tty.wait("line down")
                eventually(lambda: not port.cd and not port.dsr, 10, "DCD low")
            # One that speaks no telnet gets the bytes as they are.
            with socket.create_connection((host, int(number))):
                pass
            assert tty.end() == -signal.SIGINT
        assert any(event.event == "break" for event in log_reader.markers(log_reader.read(site.log_path("sw1"))))


def test_a_program_that_asks_and_reads_no_answers_fills_no_memory():
    with Site(ECHO) as site:
        site.wait_up("echo")
        with Tty(site, "echo", "--rfc2217", "0") as tty:
            address = "127.0.0.1", int(tty.device.rsplit(":", 1)[1])
            with socket.create_connection(address) as port:
                port.settimeout(2)
                port.sendall(b"\xff\xfb\x2c")
                taken = 0
                try:
                    while taken < 64 << 20:  # sockets hold less
                        taken += port.send(b"\xff\xfa\x2c\x00\xff\xf0" * 10000)
                except TimeoutError:
                    pass
                assert taken < 64 << 20
            # It is gone, and the next one is served.
            def served():
                with socket.create_connection(address) as port:
                    port.settimeout(10)
                    port.sendall(b"hello")
                    try:
                        return port.recv(5) == b"hello"
                    except ConnectionError:
                        return False
            eventually(served, 10, "the next program's echo")


def test_the_port_is_its_owners_only():
    if os.geteuid() != 0:
        return  # needs to become somebody else
    with Site(ECHO) as site:
        site.wait_up("echo")
        owner = subprocess.run(["id", "-u", SHELL_USER], capture_output=True, text=True, check=True).stdout.strip()
        with Tty(site, "echo", "--rfc2217", "0") as tty:
            port = int(tty.device.rsplit(":", 1)[1])
            script = (f"import os,socket; os.setgid(65534); os.setuid({owner}); s = socket.create_connection(('127.0.0.1', {port})); "
                      "s.sendall(b'reboot\\r'); print(s.recv(1000))")
            done = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True, timeout=20 * SLOW)
            assert "this port is another user's" in done.stdout, done
            tty.wait("was refused: this port is another user's")
        assert b"reboot" not in log_reader.output(log_reader.read(site.log_path("echo")))


@limit(90)
def test_gdb_debugs_a_machine_over_it():
    stub = free_port()
    qemu = subprocess.Popen([tool("qemu-system-x86_64", "qemu-system-x86"), "-accel", "tcg", "-display", "none", "-nodefaults",
                             "-monitor", "none", "-S", "-gdb", f"tcp:127.0.0.1:{stub}"], stdin=subprocess.DEVNULL,
                            preexec_fn=die_with_parent)
    try:
        with Site(f'[console.stub]\nline = "tcp"\naddress = "127.0.0.1:{stub}"\n') as site:
            site.wait_up("stub")
            with Tty(site, "stub") as tty:
                done = subprocess.run([tool("gdb", "gdb"), "-nx", "-batch", "-ex", f"target remote {tty.device}", "-ex", "stepi",
                                       "-ex", "info registers rip cs"],
                                      capture_output=True, text=True, timeout=60 * SLOW)
                # After the first instruction of the BIOS, a far jump.
                assert re.search(r"cs +0xf000", done.stdout) and re.search(r"rip +0xe05b", done.stdout), done
    finally:
        qemu.kill()
        qemu.wait()


def test_a_device_outlives_the_server_and_drops_what_was_written_meanwhile():
    with Site(ECHO) as site:
        site.wait_up("echo")
        with Tty(site, "echo") as tty, serial.Serial(tty.device, timeout=0.2) as port:
            port.write(b"before\r")
            assert read_until(port, b"\r") == b"before\r"
            eventually(lambda: b"before" in log_reader.output(log_reader.read(site.log_path("echo"), whole=False)), 10, "the log")
            site.server.kill()
            tty.wait("connection lost")
            port.write(b"lost")
            tty.wait("4 keys dropped: not connected")
            site.start_server()
            tty.wait("connected again, read-write")
            site.wait_up("echo")
            port.write(b"after\r")
            got = read_until(port, b"\r")
            assert got == b"after\r", (got, tty.said)
            # A person at a terminal is told how it ends.
            tty.end(signal.SIGTERM)
        screen = Terminal([program("oob"), "tty", "echo"], {"OOB_SOCKET": site.socket})
        screen.wait(r"/dev/pts/\d+\r\n.*\^C ends it")
        screen.type(b"\x03")
        screen.wait("left echo")
        assert screen.ended() == -signal.SIGINT and screen.restored()
        screen.close()
