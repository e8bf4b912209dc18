"""What is installed beside the programs: units, manual pages, completion. In real shells and by systemd's own tools."""
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import shutil

from harness import BIN, ROOT, SLOW, Site, program, tool
from terminal import Terminal

INVENTORY = """
[agent.rack1]
[node.web01]
console = { line = "test" }
labels = { role = "web" }
[console.web02]
line = "test"
[console.db1]
line = "test"
[group]
oncall = ["web[01-02]"]
"""


class Supervisor:
    """Stands for systemd: the socket of sd_notify(3)."""

    def __init__(self, folder):
        self.path = f"{folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.said = []

    def environment(self, **more):
        return ["env", f"NOTIFY_SOCKET={self.path}", *(f"{name}={value}" for name, value in more.items())]

    def wait(self, pattern, timeout_s=20):
        """The first message not yet asked for that the pattern is found in; those before it are passed over."""
        while True:
            while self.said:
                message = self.said.pop(0)
                if re.search(pattern, message):
                    return message
            ready, _, _ = select.select([self.socket], [], [], timeout_s * SLOW)
            assert ready, f"systemd would still wait for /{pattern}/"
            self.said.append(self.socket.recv(4096).decode())


def test_systemd_is_told_that_the_server_is_ready_reloads_and_stops():
    with Site(INVENTORY, start=False) as site:
        systemd = Supervisor(site.folder)
        # env becomes oobd: the process is the one that WATCHDOG_PID would name.
        server = site.start_server(prefix=systemd.environment(WATCHDOG_USEC=400000))
        assert "STATUS=3 consoles on 2 agents; agents dial in at 127.0.0.1:" in systemd.wait("READY=1")
        systemd.wait("WATCHDOG=1")
        systemd.wait("WATCHDOG=1")
        site.write_inventory('[console.more]\nline = "test"\n', "more.toml")
        server.signal(signal.SIGHUP)
        assert re.search(r"MONOTONIC_USEC=\d+", systemd.wait("RELOADING=1"))
        assert "STATUS=4 consoles" in systemd.wait("READY=1")
        server.signal(signal.SIGTERM)
        systemd.wait("STOPPING=1")


def test_systemd_is_told_how_the_agent_is_connected():
    with Site(INVENTORY, local=False) as site:
        systemd = Supervisor(site.folder)
        path = site.write_agent_config("local")
        agent = subprocess.Popen([*systemd.environment(WATCHDOG_USEC=400000), program("oob-agent"), "run", "--config", path],
                                 stderr=subprocess.DEVNULL)
        try:
            systemd.wait("READY=1")
            assert site.folder in systemd.wait("STATUS=connected to unix:")
            systemd.wait("WATCHDOG=1")
            site.server.kill()
            systemd.wait("STATUS=not connected")
        finally:
            agent.terminate()
            assert agent.wait(20) == 0
        systemd.wait("STOPPING=1")


def test_units_are_accepted_by_systemd():
    analyze = tool("systemd-analyze", "systemd")
    folder = tempfile.mkdtemp(prefix="oobt.", dir="/tmp")
    try:
        units = []
        for name in ("oobd", "oob-agent"):
            with open(f"{ROOT}/packaging/systemd/{name}.service") as file:
                text = file.read().replace(f"/usr/sbin/{name}", program(name))  # verify wants programs that are there
            units.append(f"{folder}/{name}.service")
            with open(units[-1], "w") as file:
                file.write(text)
        done = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == 0 and not done.stderr, done.stderr
        for unit, most in zip(units, ("2.0", "4.0")):
            done = subprocess.run([analyze, "security", "--offline=yes", f"--threshold={most.replace('.', '')}", unit],
                                  capture_output=True, text=True, timeout=60 * SLOW)
            assert done.returncode == 0, done.stdout[-300:] + done.stderr
    finally:
        shutil.rmtree(folder)


def manual_pages():
    pages = [f"{ROOT}/docs/man/{name}" for name in sorted(os.listdir(f"{ROOT}/docs/man")) if not name.endswith(".in")]
    return pages + [f"{os.path.dirname(BIN)}/man/oob.1"]


def test_manual_pages_are_clean():
    assert len(manual_pages()) == 7
    done = subprocess.run([tool("mandoc", "mandoc"), "-Tlint", "-Wwarning", *manual_pages()], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in manual_pages():
        done = subprocess.run([tool("man", "man-db"), "--warnings", "-l", page], capture_output=True, text=True,
                              env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and not done.stderr, page + ": " + done.stderr


def test_manual_pages_name_every_key_of_a_configuration():
    reads = re.compile(r'\.(?:text|texts|table|list|boolean|integer|duration|one_of|any)\("([\w-]+)"'
                       r'|\bread_(?:paths?|word|text|list|programs|destinations|sockets)\(\w+, "([\w-]+)"')
    for page, sources in {"oobd.toml.5": ["server/config/server_config.cpp"], "oob-agent.toml.5": ["agents/policy.cpp"],
                          "oob-inventory.5": ["server/inventory/loader.cpp", "server/inventory/line_reader.cpp"]}.items():
        with open(f"{ROOT}/docs/man/{page}") as file:
            text = file.read()
        keys = set()
        for source in sources:
            with open(f"{ROOT}/{source}") as file:
                keys |= {first or second for first, second in reads.findall(file.read())}
        if page == "oob-inventory.5":  # and those of the kinds of lines
            for source in sorted(os.listdir(f"{ROOT}/agents/lines")):
                if source.endswith(".cpp"):
                    with open(f"{ROOT}/agents/lines/{source}") as file:
                        keys |= set(re.findall(r'\{"([\w-]+)",\s+LineKey::Type::', file.read()))
        assert len(keys) >= 4, (page, keys)
        for key in keys:
            assert re.search(rf"\b{re.escape(key)}\b", text), f"{page} does not name the key {key}"


def test_the_manual_names_every_command_and_option():
    with open(f"{os.path.dirname(BIN)}/man/oob.1") as file:
        page = file.read().replace("\\&", "").replace("\\-", "-")
    with Site(start=False) as site:
        for line in site.oob("--complete", "").stdout.splitlines():
            verb = line.split("\t")[0]
            seconds = [word.split("\t")[0] for word in site.oob("--complete", verb, "").stdout.splitlines()]
            grouped = f".Ss oob {verb}\n" not in page and verb != "help"
            for name in [f"{verb} {second}" for second in seconds] if grouped else [verb]:
                assert name == "help" or f".Ss oob {name}\n" in page, f"oob.1 has no section oob {name}"
                for option in site.oob("--complete", *name.split(), "--").stdout.splitlines():
                    option = option.split("\t")[0]
                    assert option == "--help" or f'"{option[1:]}"' in page, f"oob.1 does not tell {option} of oob {name}"


# --- completion in real shells ---

CASES = (  # what is typed, what it becomes on Tab
    ("oob inventory pl", "oob inventory plan"),
    ("oob attach --rea", "oob attach --read-only"),
    ("oob info db", "oob info db1"),
    ("oob ls web01,db", "oob ls web01,db1"),
    ("oob ls @on", "oob ls @oncall"),
    ("oob ls web01,@on", "oob ls web01,@oncall"),
    ("oob ls role=w", "oob ls role=web"),
    ("oob ls 'web[01-02],db", "oob ls 'web[01-02],db1"),
    ("oob agent revoke rac", "oob agent revoke rack1"),
)


def run_shell(site, argv, start, ask, prompt=r"READY> "):
    """Types each case and Tab into a shell that then prints its line."""
    shell = Terminal(argv, {"OOB_SOCKET": site.socket, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": site.folder,
                            "XDG_CONFIG_HOME": site.folder, "XDG_DATA_HOME": site.folder, "LC_ALL": "C.UTF-8"}, columns=160)
    try:
        shell.type((start + "\n").encode())
        shell.wait(prompt)
        for typed, wanted in CASES:
            mark = len(shell.shown)
            shell.type((ask + typed).encode() + b"\t")
            # The rest of the word appears; only then is the line ended.
            shell.wait(re.escape(wanted[len(typed):]), begin=mark)
            shell.type(b"\n")
            found = shell.wait(r"<([^<>\r\n]*)>\r?\n", begin=mark)
            got = found.group(1).decode()
            assert got.split() == wanted.replace("'", "").split(), f"{argv[0]}: {typed!r} became {got!r}"
            shell.wait(prompt, begin=mark + found.end() - found.start())
    finally:
        shell.process.kill()
        shell.process.wait()


def scripts(site):
    return f"{ROOT}/packaging/completion"


def test_bash_completes_commands_options_and_live_names():
    with Site(INVENTORY) as site:
        # `oob` itself prints the line it was given, as bash has split it.
        run_shell(site, ["bash", "--noprofile", "--norc", "-i"],
                  f"source {scripts(site)}/oob.bash; oob() {{ if [ \"$1\" = --complete ]; then command oob \"$@\"; "
                  f"else printf '<oob %s>\\n' \"$*\"; fi; }}; PS1='READ''Y> '", "")


def test_zsh_completes_commands_options_and_live_names():
    with Site(INVENTORY) as site:
        run_shell(site, ["zsh", "-f", "-i"],
                  f"fpath=({scripts(site)} $fpath); autoload -U compinit; compinit -u -D; unsetopt prompt_cr prompt_sp; "
                  f"oob() {{ if [[ $1 == --complete ]]; then command oob \"$@\"; else printf '<oob %s>\\n' \"$*\"; fi; }}; "
                  f"PS1='READ''Y> '", "")


def test_fish_completes_commands_options_and_live_names():
    with Site(INVENTORY) as site:
        environment = {**os.environ, "OOB_SOCKET": site.socket, "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": site.folder}
        for typed, wanted in CASES:
            done = subprocess.run([tool("fish", "fish"), "--no-config", "-c",
                                   f"source {scripts(site)}/oob.fish; complete -C \"$TYPED\""],
                                  capture_output=True, text=True, env={**environment, "TYPED": typed}, timeout=30 * SLOW)
            offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
            assert offered == [wanted.replace("'", "").split()[-1]], f"fish: {typed!r} offers {offered} {done.stderr}"


def test_completion_says_nothing_when_there_is_no_server():
    with Site(start=False) as site:
        done = site.oob("--complete", "info", "")
        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_completion_does_not_wait_for_a_server_that_hangs():
    with Site(start=False) as site:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(site.socket)
            listener.listen()
            done = site.oob("--complete", "ls", "we", timeout_s=5)
            assert (done.stdout, done.stderr) == ("", "")
