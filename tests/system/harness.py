"""What system tests stand on: a Site is one oobd with its agents, in a folder of its own under /tmp, as real processes
that end with the test. Waits are for events (log lines, state), never for time. Programs come from $OOB_BIN."""
import ctypes
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import log_reader

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("OOB_BIN") or os.path.join(ROOT, "build/release/bin")
FAST = bool(os.environ.get("OOB_TEST_FAST"))
# Sanitizers make all of it slower; waits are stretched, promises about time are not checked to the letter.
SANITIZED = os.path.basename(os.path.dirname(BIN)) in ("asan", "tsan")
SLOW = 4 if SANITIZED else 1
SHELL_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
SITES = []  # live ones, for the runner's report


def limit(seconds):
    """Marks a test that needs another time limit than the runner's."""
    def mark(function):
        function.time_limit_s = seconds
        return function
    return mark


def alone(function):
    """Marks a test that measures: the runner runs nothing beside it."""
    function.alone = True
    return function


def program(name):
    path = os.path.join(BIN, name)
    assert os.access(path, os.X_OK), f"{path} is missing: build it first (tests/run does)"
    return path


def tool(name, package):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert path, f"{name} is missing: apt-get install {package}"
    return path


def eventually(check, timeout_s=10, what=""):
    """Calls check() until it gives something true, which is returned."""
    deadline = time.monotonic() + timeout_s * SLOW
    while True:
        got = check()
        if got:
            return got
        assert time.monotonic() < deadline, f"waited {timeout_s * SLOW} s for {what or check}"
        time.sleep(0.02)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_listening(port):
    """Until somebody listens on 127.0.0.1:port, without dialling it: the peer may count its callers."""
    def listens():
        with open("/proc/net/tcp") as file:
            return any(line.split()[1:4:2] == [f"0100007F:{port:04X}", "0A"] for line in file)
    eventually(listens, 20, f"a listener on port {port}")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a killed test leaves nothing behind


class Daemon:
    """One process with its log. kill() and stop() end it and its programs' process group, by pid."""

    def __init__(self, name, argv, ready, timeout_s=20):
        self.name, self.lines, self.killed = name, [], False
        self.changed = threading.Condition()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if ready:
            self.wait_log(ready, timeout_s=timeout_s)

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append("(end of log)")
            self.changed.notify_all()

    def mark(self):
        return len(self.lines)

    def find_log(self, pattern, since=0):
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait_log(self, pattern, since=0, timeout_s=10):
        """The first line from line number `since` on that the pattern is found in."""
        deadline = time.monotonic() + timeout_s * SLOW
        with self.changed:
            while True:
                found = self.find_log(pattern, since)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                ended = self.lines and self.lines[-1] == "(end of log)"
                assert left > 0 and not ended, (f"{self.name}: no line /{pattern}/ "
                                                f"{'before its end' if ended else f'in {timeout_s * SLOW} s'}; log:\n"
                                                + "\n".join(self.lines[-15:]))
                self.changed.wait(left)

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.killed = True
        if self.alive():
            self.signal(signal.SIGKILL)
        self.process.wait(20)
        self.reader.join(5)

    def stop(self):
        """SIGTERM; its exit status."""
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(15 * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {15 * SLOW} s of SIGTERM") from None
        self.reader.join(5)
        return status

    def memory_kb(self):
        """Resident memory of its own (Pss), in KiB."""
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            return int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))

    def complaints(self):
        return [line for line in self.lines if re.search(
            r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|Assertion .* failed|terminate called", line)]


class Site:
    def __init__(self, inventory="", agents=(), start=True, local=True, https=False, interfaces=()):
        """https: clients may come over the network too, to `https_port`. interfaces: Ethernets of agents."""
        self.folder = tempfile.mkdtemp(prefix="oobt.", dir="/tmp")
        os.chmod(self.folder, 0o755)  # programs run as another user
        self.port = free_port()
        self.https_port = free_port() if https else None
        self.socket = f"{self.folder}/s"
        self.agents, self.daemons, self.server = {}, [], None
        self.interfaces = list(interfaces)
        self.log_folder = f"{self.folder}/state/log"
        for name in ("inventory.d", "agents"):
            os.mkdir(f"{self.folder}/{name}")
        self.write_config()
        self.write_inventory(inventory)
        SITES.append(self)
        try:
            if start:
                self.start_server()
                if local:
                    self.start_agent("local")
                for name in agents:
                    self.enrol(name)
                    self.start_agent(name)
        except BaseException:
            self.close(failed=True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close(failed=kind is not None)

    # --- files ---
    def write_config(self, extra=""):
        with open(f"{self.folder}/oobd.toml", "w") as file:
            file.write(f'state = "{self.folder}/state"\ninventory = "{self.folder}/inventory.d"\n'
                       f'socket = "{self.socket}"\n[agents]\nlisten = "127.0.0.1:{self.port}"\n'
                       f'socket = "{self.folder}/a"\n[log]\nfolder = "{self.log_folder}"\n'
                       + ("" if "[api]" in extra else "[api]\nlisten = "
                          + (f'"127.0.0.1:{self.https_port}"\n' if self.https_port else '""\n')) + extra)

    def write_inventory(self, text, name="site.toml"):
        with open(f"{self.folder}/inventory.d/{name}", "w") as file:
            file.write(text)

    def write_agent_config(self, name, server=None):
        if server is None:
            server = f"unix:{self.folder}/a" if name == "local" else f"127.0.0.1:{self.port}"
        path = f"{self.folder}/agents/{name}.toml"
        with open(path, "w") as file:
            file.write(f'name = "{name}"\nserver = {json.dumps(server)}\nstate = "{self.folder}/agents/{name}"\n'
                       f'rings = "{self.folder}/agents/{name}/rings"\n[allow]\n'
                       f'programs = [{{ program = "/bin/bash", users = ["{SHELL_USER}"] }}, '
                       f'{{ program = "/bin/cat", users = ["{SHELL_USER}"] }}]\n'
                       f'tcp = ["127.0.0.1:*"]\nbmc = ["127.0.0.0/8:*", "[::1]:*"]\nnetconsole = ["127.0.0.1:*"]\n'
                       f'callhome = ["127.0.0.1:*"]\netherconsole = {json.dumps(self.interfaces)}\n'
                       f'unix = ["{self.folder}/*"]\nserial = ["{self.folder}/*"]\n'
                       f'secrets = ["{self.folder}/secrets/*"]\ntest = true\n')
        return path

    def log_path(self, console):
        return f"{self.log_folder}/{console}.log"

    def log(self, console):
        return log_reader.read(self.log_path(console))

    # --- processes ---
    def start_server(self, wait=True, prefix=()):
        self.server = Daemon("oobd", [*prefix, program("oobd"), "--foreground", "--config", f"{self.folder}/oobd.toml"],
                             "server: ready" if wait else None)
        self.daemons.append(self.server)
        return self.server

    def start_agent(self, name, server=None, wait=True):
        path = self.write_agent_config(name, server)
        agent = Daemon(f"agent {name}", [program("oob-agent"), "run", "--foreground", "--config", path],
                       "agent: connected" if wait else None)
        self.agents[name] = agent
        self.daemons.append(agent)
        return agent

    def token(self, name):
        return self.oob("agent", "enroll", name).stdout.strip()

    def join(self, name, token, port=None, state=None):
        """Runs `oob-agent join`; the finished process. The token goes through standard input."""
        state = state or f"{self.folder}/agents/{name}"
        return subprocess.run([program("oob-agent"), "join", "--server", f"127.0.0.1:{port or self.port}", "--state", state],
                              input=token + "\n", capture_output=True, text=True, timeout=30 * SLOW)

    def enrol(self, name):
        done = self.join(name, self.token(name))
        assert done.returncode == 0, f"join {name}: {done.stdout}{done.stderr}"

    def restart_server(self):
        self.server.kill()
        return self.start_server()

    def close(self, failed=False):
        """Ends everything; a daemon that died by itself, or complained in its log, fails the test."""
        faults = []
        SITES.remove(self)
        for daemon in reversed(self.daemons):
            gone = not daemon.alive() and not daemon.killed
            if gone and daemon.process.returncode != 0 and not getattr(daemon, "may_end", False):
                faults.append(f"{daemon.name} ended by itself with status {daemon.process.returncode}")
            try:
                status = daemon.stop()
                if status != 0 and not daemon.killed and not gone:
                    faults.append(f"{daemon.name} ended with status {status} on SIGTERM")
            except AssertionError as error:
                faults.append(str(error))
            faults += [f"{daemon.name}: {line}" for line in daemon.complaints()]
        if failed or faults:
            print(self.report())
        shutil.rmtree(self.folder, ignore_errors=True)
        if faults and not failed:
            raise AssertionError("; ".join(faults))

    def report(self, lines=25):
        text = [f"--- {self.folder}"]
        for daemon in self.daemons[-6:]:
            text.append(f"--- last lines of {daemon.name} (pid {daemon.pid})")
            text += [line[:300] for line in daemon.lines[-lines:]]
        return "\n".join(text)

    # --- talking to it ---
    def oob(self, *arguments, check=True, text=None, timeout_s=20, environment=None):
        done = subprocess.run([program("oob"), *arguments], input=text, capture_output=True, text=True,
                              stdin=None if text is not None else subprocess.DEVNULL, timeout=timeout_s * SLOW,
                              env={**os.environ, "OOB_SOCKET": self.socket, **(environment or {})})
        assert not check or done.returncode == 0, f"oob {' '.join(arguments)}: {done.returncode} {done.stdout}{done.stderr}"
        return done

    def rest(self, method, path, body=None, status=200):
        connection = http.client.HTTPConnection("oob", timeout=15 * SLOW)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(15 * SLOW)
        connection.sock.connect(self.socket)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert status is None or response.status == status, f"{method} {path}: {response.status} {answer[:400]!r}"
        return json.loads(answer) if answer else None

    def console(self, name):
        return self.rest("GET", f"/v1/consoles/{name}")

    def wait_up(self, *names, timeout_s=20):
        for name in names:
            eventually(lambda: self.rest("GET", f"/v1/consoles/{name}", status=None).get("state") == "up", timeout_s,
                       f"{name} up")

    def wait_logged(self, name, number, timeout_s=30):
        """Waits until the log ends with numbered line `number` or a later one."""
        eventually(lambda: log_reader.last_number(self.log_path(name)) >= number, timeout_s,
                   f"line {number} in the log of {name} (has {log_reader.last_number(self.log_path(name))})")

    def apply(self):
        """SIGHUP, and waits until the server said how it went: the log line."""
        mark = self.server.mark()
        self.server.signal(signal.SIGHUP)
        return self.server.wait_log(r"inventory: ", since=mark)


class Equipment:
    """A device with a TCP console: keeps what it receives, with times; says what it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.received, self.times = bytearray(), []
        self.peer = None
        self.changed = threading.Condition()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.peer = peer
                self.changed.notify_all()
            while True:
                try:
                    got = peer.recv(65536)
                except OSError:
                    got = b""
                if not got:
                    break
                with self.changed:
                    self.received += got
                    self.times.append((time.monotonic(), got))
                    self.changed.notify_all()
            with self.changed:
                if self.peer is peer:
                    self.peer = None

    def wait(self, check, timeout_s=10):
        with self.changed:
            assert self.changed.wait_for(check, timeout_s * SLOW), f"equipment: waited {timeout_s * SLOW} s"

    def wait_received(self, data, timeout_s=10):
        self.wait(lambda: data in self.received, timeout_s)

    def say(self, data):
        self.wait(lambda: self.peer is not None)
        self.peer.sendall(data)

    def hang_up(self):
        peer = self.peer
        if peer:
            peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def close(self):
        self.listener.close()
        self.hang_up()


def numbered_lines(consoles, agent, rate, lines, length=80):
    """Inventory text for `test` lines that emit numbered lines, `lines` of them (0: without end)."""
    return "".join(f'[console.{name}]\nline = "test"\nagent = "{agent}"\nrate = {rate}\nlength = {length}\n'
                   + (f"lines = {lines}\n" if lines else "") for name in consoles)
