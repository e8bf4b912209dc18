"""The products that a benchmark runs, each with a configuration made for the occasion: consoles that are TCP ports of the
generator, logs on tmpfs. A product is started, says which processes are its own, and how a person attaches to it."""
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/system"))
sys.dont_write_bytecode = True
import log_reader  # noqa: E402

BIN = os.environ.get("OOB_BIN") or os.path.join(ROOT, "build/release/bin")
TICKS = os.sysconf("SC_CLK_TCK")


def names_of(count):
    return [f"c{index:04}" for index in range(count)]


class Product:
    title = ""
    echo_processes = 3  # that a keystroke wakes on its way to the equipment: client, server, equipment
    prefixes = {"site": [], "centre": []}  # what starts a program in the room of the consoles, and of the server
    centre = "127.0.0.1"

    def __init__(self, address, first_port, count):
        self.folder = tempfile.mkdtemp(prefix="oobb.", dir="/dev/shm")
        os.chmod(self.folder, 0o755)
        self.address, self.first_port, self.names = address, first_port, names_of(count)
        self.roots = []
        os.mkdir(f"{self.folder}/log")

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)
        return f"{self.folder}/{name}"

    def spawn(self, *argv, ready=None, room="centre"):
        log = open(f"{self.folder}/{os.path.basename(argv[0])}.{len(self.roots)}.out", "w+")
        process = subprocess.Popen([*self.prefixes[room], *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.roots.append(process)
        deadline = time.monotonic() + 30
        while ready:
            log.seek(0)
            text = log.read()
            if ready in text:
                return
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{argv[0]} did not come up:\n{text[-2000:]}")
            time.sleep(0.005)

    def processes(self):
        """All processes of the product, children too."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        children.setdefault(int(file.read().rpartition(")")[2].split()[1]), []).append(int(entry))
                except OSError:
                    pass  # gone meanwhile
        found, wait = [], [root.pid for root in self.roots]
        while wait:
            pid = wait.pop()
            found.append(pid)
            wait += children.get(pid, [])
        return found

    def cpu_s(self):
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            total += sum(int(fields[index]) for index in (11, 12))  # utime, stime
        return total / TICKS

    def memory_kb(self):
        total = 0
        for pid in self.processes():
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
        return total

    def log_files(self):
        return {name: f"{self.folder}/log/{name}.log" for name in self.names}

    def logged_bytes(self):
        return sum(os.path.getsize(path) for path in self.log_files().values() if os.path.exists(path))

    def output_of(self, raw):
        return raw

    def check_logs(self, lines_each):
        """How many consoles' logs do not hold lines 1 .. lines_each, each once and in order."""
        bad = 0
        for name, path in self.log_files().items():
            with open(path, "rb") as file:
                text = self.output_of(file.read())
            numbers = re.findall(name.encode() + rb" (\d{12}) \.{59}\r?\n", text)
            bad += numbers != [b"%012d" % number for number in range(1, lines_each + 1)]
        return bad

    def stop(self):
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            pids = [pid for pid in self.processes() if os.path.exists(f"/proc/{pid}")]
            for pid in pids:
                try:
                    os.kill(pid, signal_number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + 10
            while any(root.poll() is None for root in self.roots) and time.monotonic() < deadline:
                time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)


class Outband(Product):
    agent = "rack1"  # over mutual TLS

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.socket = f"{self.folder}/s"
        os.mkdir(f"{self.folder}/inventory.d")
        self.port = free_port()

    def prepare(self):
        """Everything that is done once in a server's life: the CA, the enrolment. Not timed."""
        self.config = self.write("oobd.toml", f'state = "{self.folder}/state"\ninventory = "{self.folder}/inventory.d"\n'
                                 f'socket = "{self.socket}"\n[agents]\nlisten = "{self.centre}:{self.port}"\n'
                                 f'socket = "{self.folder}/a"\n[api]\nlisten = ""\n[log]\nfolder = "{self.folder}/log"\n')
        server = f"unix:{self.folder}/a" if self.agent == "local" else f"{self.centre}:{self.port}"
        self.agent_config = self.write("agent.toml", f'name = "{self.agent}"\nserver = "{server}"\n'
                                       f'state = "{self.folder}/agent"\nrings = "{self.folder}/rings"\n'
                                       f'[allow]\ntcp = ["127.0.0.0/8:*", "10.77.0.0/16:*"]\nbmc = ["127.0.0.0/8:*"]\n')
        agents = f"[agent.{self.agent}]\n" if self.agent != "local" else ""
        self.write("inventory.d/bench.toml", agents + "".join(
            f'[console.{name}]\nagent = "{self.agent}"\n{self.line(index)}' for index, name in enumerate(self.names)))
        if self.agent != "local":
            self.spawn(f"{BIN}/oobd", "--foreground", "--config", self.config, ready="server: ready")
            token = subprocess.run([f"{BIN}/oob", "agent", "enroll", self.agent], capture_output=True, text=True, check=True,
                                   env={**os.environ, "OOB_SOCKET": self.socket}).stdout
            subprocess.run([*self.prefixes["site"], f"{BIN}/oob-agent", "join", "--server", f"{self.centre}:{self.port}", "--state",
                            f"{self.folder}/agent"], input=token, text=True, check=True, capture_output=True)
            self.roots[0].terminate()
            self.roots.pop().wait(20)

    def line(self, index):
        return f'line = "tcp"\naddress = "{self.address}:{self.first_port + index}"\ninsecure = true\n'

    def start(self):
        self.spawn(f"{BIN}/oobd", "--foreground", "--config", self.config)
        self.spawn(f"{BIN}/oob-agent", "run", "--foreground", "--config", self.agent_config, room="site")

    def client(self, name, look_on=False):
        os.environ["OOB_SOCKET"] = self.socket
        return [f"{BIN}/oob", "attach", *(["-r"] if look_on else []), name]

    def output_of(self, raw):
        return log_reader.output(log_reader.decode(raw, whole=False))


class OutbandTls(Outband):
    title = "Outband, agent over TLS"
    echo_processes = 4  # and the agent


class OutbandLocal(Outband):
    title = "Outband, local agent"
    echo_processes = 4
    agent = "local"


class Conserver(Product):
    title = "conserver"
    tls = False  # between its client and its server; to the consoles it speaks in clear

    def prepare(self):
        self.port = free_port()
        self.config_options, self.client_options = "", ["-C", "/dev/null", "-E"]
        if self.tls:
            self.make_certificates()
        consoles = "".join(f"console {name} {{ host {self.address}; port {self.first_port + index}; }}\n"
                           for index, name in enumerate(self.names))
        self.config = self.write("cf", f"config * {{ {self.config_options} }}\ndefault full {{ rw *; }}\n"
                                 f"default * {{ logfile {self.folder}/log/&.log; timestamp \"\"; include full; "
                                 f"master 127.0.0.1; type host; protocol raw; }}\n{consoles}"
                                 "access * { trusted 127.0.0.1; allowed 127.0.0.1; }\n")

    def start(self):
        self.spawn("/usr/sbin/conserver", *([] if self.tls else ["-E"]), "-C", self.config, "-p", str(self.port), "-M", "127.0.0.1", "-P", "/dev/null")

    def client(self, name, look_on=False):
        return ["/usr/bin/console", "-n", *(["-s"] if look_on else []), *self.client_options, "-M", "127.0.0.1", "-p",
                str(self.port), "-l", pwd.getpwuid(os.getuid()).pw_name, name]

    def make_certificates(self):
        key, certificate = f"{self.folder}/key", f"{self.folder}/certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1"], check=True,
                       capture_output=True)
        with open(f"{self.folder}/credentials", "w") as file:
            for path in (certificate, key):
                with open(path) as part:
                    file.write(part.read())
        self.config_options = f"sslrequired yes; sslcredentials {self.folder}/credentials; sslcacertificatefile {certificate};"
        config = self.write("consolerc", f"config * {{ sslenabled yes; sslcacertificatefile {certificate}; }}\n")
        self.client_options = ["-C", config]


class ConserverTls(Conserver):
    title = "conserver, TLS"
    tls = True


class Conman(Product):
    title = "ConMan"

    def prepare(self):
        self.port = free_port()
        consoles = "".join(f'console name="{name}" dev="{self.address}:{self.first_port + index}"\n'
                           for index, name in enumerate(self.names))
        self.config = self.write("conman.conf", f'server loopback=on\nserver port={self.port}\n'
                                 f'server logdir="{self.folder}/log"\nserver pidfile="{self.folder}/pid"\n'
                                 f'server keepalive=on\nglobal log="%N.log"\n{consoles}')

    def start(self):
        self.spawn("/usr/sbin/conmand", "-F", "-c", self.config)

    def client(self, name, look_on=False):
        return ["/usr/bin/conman", "-Q", *(["-m"] if look_on else []), "-d", f"127.0.0.1:{self.port}", name]


def free_port():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
