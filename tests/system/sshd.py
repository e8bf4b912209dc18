"""A device with an SSH port: OpenSSH's sshd on loopback with its own host keys, configuration and, since it runs where
/etc/passwd and /etc/shadow are others (a mount namespace of its own; as root), a user `oob` with the password `sesame`.
What runs behind a login is `command`."""
import os
import shutil
import subprocess
import tempfile

from harness import Daemon, free_port, tool

USER, PASSWORD = "oob", "sesame"
PLAYER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "played_device.py")
TRANSCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "profiles")


def played(transcript):
    """The command that plays the first part of a transcript of tests/golden/profiles, then is a console that echoes."""
    return f"/usr/bin/python3 {PLAYER} {os.path.realpath(os.path.join(TRANSCRIPTS, transcript))}"


class Sshd:
    def __init__(self, command="/bin/cat", options="", ports=1, key_types=("ed25519",)):
        self.folder = tempfile.mkdtemp(prefix="oobssh.", dir="/tmp")
        os.chmod(self.folder, 0o755)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.ports = [free_port() for _ in range(ports)]
        self.address = f"127.0.0.1:{self.ports[0]}"
        self.daemon = None
        for kind in key_types:
            self.new_host_key(kind)
        digest = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout
        self._write("passwd", "root:x:0:0:root:/root:/bin/sh\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n"
                              f"{USER}:x:65534:65534::/:/bin/sh\n")
        self._write("shadow", f"root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n{USER}:{digest.strip()}:19000:0:99999:7:::\n")
        os.chmod(f"{self.folder}/shadow", 0o600)
        self.options = options + "".join(f"HostKey {self.folder}/host_{kind}\n" for kind in key_types)
        self.command = command
        self.start()

    def _write(self, name, text):
        with open(f"{self.folder}/{name}", "w") as file:
            file.write(text)

    def new_host_key(self, kind="ed25519"):
        path = f"{self.folder}/host_{kind}"
        for old in (path, path + ".pub"):
            if os.path.exists(old):
                os.unlink(old)
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)

    def fingerprint(self, kind="ed25519"):
        out = subprocess.run(["ssh-keygen", "-l", "-f", f"{self.folder}/host_{kind}.pub"], capture_output=True, text=True, check=True)
        return out.stdout.split()[1]

    def start(self):
        # What is written first counts: an option of a test goes before the usual one.
        self._write("config", "".join(f"ListenAddress 127.0.0.1:{port}\n" for port in self.ports) + self.options
                    + f"UsePAM no\nStrictModes no\nPidFile none\nLogLevel VERBOSE\nAuthorizedKeysFile {self.folder}/keys\n"
                      f"ForceCommand {self.command}\n")
        shown = f"mount --bind {self.folder}/passwd /etc/passwd && mount --bind {self.folder}/shadow /etc/shadow"
        self.daemon = Daemon("sshd", ["unshare", "-m", "sh", "-c", f"{shown} && exec {tool('sshd', 'openssh-server')} "
                                                                   f"-D -e -f {self.folder}/config"],
                             "Server listening on .*" + str(self.ports[-1]))
        return self

    def restart(self):
        self.daemon.kill()
        return self.start()

    def logins(self):
        """How often someone showed a password: accepted, failed."""
        return len(self.daemon.find_log("Accepted password")), len(self.daemon.find_log("Failed password"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
