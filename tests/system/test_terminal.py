"""At a terminal: attach, leave, reconnect without missing output, and settings that are always given back."""
import re
import signal

from harness import Site, SHELL_USER, eventually, program
from terminal import Terminal

SHELL = f'[console.sh]\nline = "exec"\ncommand = ["/bin/bash", "--norc", "-i"]\nuser = "{SHELL_USER}"\n'
LEAVE = b"\x05c."


def attach(site, *arguments):
    terminal = Terminal([program("oob"), "attach", *arguments], {"OOB_SOCKET": site.socket})
    terminal.wait(r"\[%s: " % arguments[0])
    eventually(terminal.is_raw, 5, "raw mode")
    return terminal


def test_a_shell_is_attached_typed_into_and_left():
    with Site(SHELL) as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        terminal.type(b"echo $((6 * 7))\n")
        terminal.wait("42")
        terminal.type(LEAVE)
        assert terminal.ended() == 0
        assert terminal.restored()
        terminal.close()
        again = Terminal([program("oob"), "sh"], {"OOB_SOCKET": site.socket})  # short for attach
        again.wait("42")  # replayed
        again.type(LEAVE)
        assert again.ended() == 0 and again.restored()
        again.close()


def test_the_terminal_is_restored_after_signals():
    with Site(SHELL) as site:
        site.wait_up("sh")
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            terminal = attach(site, "sh")
            terminal.process.send_signal(number)
            terminal.ended()
            assert terminal.restored(), f"not after {number}"
            terminal.close()


def test_the_terminal_is_restored_after_the_server_died():
    with Site(SHELL) as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        begin = len(terminal.shown)
        site.server.kill()
        terminal.wait(r"\[[^\]]*(?i:connect|server)[^\]]*\]", begin=begin)
        terminal.type(LEAVE)
        terminal.ended()
        assert terminal.restored()
        terminal.close()


def test_the_terminal_is_restored_after_its_console_was_removed():
    with Site(SHELL + '[console.other]\nline = "test"\n') as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        site.write_inventory('[console.other]\nline = "test"\n')
        site.oob("inventory", "apply", "--yes")
        terminal.ended()
        assert terminal.restored()
        terminal.close()


def test_no_output_is_missing_on_the_screen_after_the_server_was_away():
    with Site('[console.n]\nline = "test"\nrate = 100\n') as site:
        site.wait_up("n")
        terminal = attach(site, "n", "-r")
        for _ in range(3):
            begin = len(terminal.shown)
            terminal.wait(rb"n \d{12} [^\n]*\n", begin=begin)
            site.wait_logged("n", 1)
            site.server.kill()
            site.start_server()
            begin = len(terminal.shown)
            terminal.wait(rb"n \d{12} [^\n]*\n.*n \d{12} ", begin=begin, timeout_s=20)
        terminal.type(LEAVE)
        assert terminal.ended() == 0
        shown = re.sub(rb"(\r\n)?\[[^\]\n]*\]\r\n", b"", terminal.shown)  # notices may stand within a line
        numbers = [int(n) for n in re.findall(rb"n (\d{12}) ", shown)]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), [
            (a, b) for a, b in zip(numbers, numbers[1:]) if b != a + 1]
        terminal.close()


def test_keys_typed_while_the_server_is_away_are_dropped_and_it_is_said():
    with Site(SHELL) as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        begin = len(terminal.shown)
        site.server.kill()
        terminal.wait(r"\[[^\]]*(?i:connect|server)[^\]]*\]", begin=begin)
        terminal.type(b"echo never-typed\n")
        terminal.wait(r"\[[^\]]*(?i:dropped|not typed)[^\]]*\]", begin=begin)
        site.start_server()
        site.wait_up("sh")
        terminal.wait(r"\[sh: read-write|\[[^\]]*(?i:connected)[^\]]*\]", begin=begin, timeout_s=20)
        eventually(lambda: site.console("sh")["writer"], 10, "the seat again")
        terminal.type(b"echo typed-$((1 + 1))\n")
        terminal.wait("typed-2", begin=begin)
        assert b"never-typed" not in open(site.log_path("sh"), "rb").read()
        terminal.type(LEAVE)
        terminal.ended()
        assert terminal.restored()
        terminal.close()


def test_who_takes_over_is_said_to_the_one_who_loses_the_seat():
    with Site(SHELL) as site:
        site.wait_up("sh")
        first = attach(site, "sh")
        second = attach(site, "sh")
        second.wait("read-only")
        begin = len(first.shown)
        second.type(b"\x05cf")
        first.wait(r"\[[^\]]*(?i:took over)[^\]]*\]", begin=begin)
        second.type(b"echo second-$((1 + 2))\n")
        second.wait("second-3")
        first.wait("second-3", begin=begin)
        for terminal in (first, second):
            terminal.type(LEAVE)
            assert terminal.ended() == 0 and terminal.restored()
            terminal.close()


def test_exit_statuses_say_what_was_wrong():
    with Site(SHELL) as site:
        assert site.oob("ls").returncode == 0
        assert site.oob("info", "sx", check=False).returncode == 4
        assert site.oob("--nonsense", check=False).returncode == 2
        site.server.kill()
        done = site.oob("ls", check=False)
        assert done.returncode == 5 and site.socket in done.stderr, done
