"""Several people on one console: they see each other's acts, ask, hand over, kick, and find their seat kept."""
import re
import signal
import socket

from harness import Site, SHELL_USER, eventually, program
from proxy import UnixProxy
from stream import Stream
from terminal import Terminal

SHELL = f'[console.sh]\nline = "exec"\ncommand = ["/bin/bash", "--norc", "-i"]\nuser = "{SHELL_USER}"\n'
ESCAPE = b"\x05c"


def attach(site, *arguments, columns=100, socket_path=None):
    terminal = Terminal([program("oob"), "attach", *arguments], {"OOB_SOCKET": socket_path or site.socket}, columns=columns)
    terminal.wait(r"\[%s: " % arguments[0])
    eventually(terminal.is_raw, 5, "raw mode")
    return terminal


def leave(*terminals):
    for terminal in terminals:
        terminal.type(ESCAPE + b".")
        assert terminal.ended() == 0 and terminal.restored()
        terminal.close()


def test_three_people_ask_and_hand_over_and_all_are_told():
    with Site(SHELL) as site:
        site.wait_up("sh")
        first, second, third = attach(site, "sh"), attach(site, "sh"), attach(site, "sh", "-r")
        second.wait("is writing")
        second.type(ESCAPE + b"A")
        first.wait(r"asks you to hand over; \^Ecs does")
        first.type(ESCAPE + b"s")
        first.wait("handed over to .*you are now read-only")
        second.wait("read-write: handed over")
        third.wait("writes now instead of")
        second.type(b"echo second-$((1 + 2))\n")
        third.wait("second-3")
        begin = len(first.shown)
        first.type(b"x")
        first.wait("dropped: read-only", begin=begin)
        leave(first, second, third)


def test_a_reader_is_told_when_the_writer_lets_go_or_leaves_and_who_writes_then():
    with Site(SHELL) as site:
        site.wait_up("sh")
        first, second, third = attach(site, "sh"), attach(site, "sh"), attach(site, "sh", "-r")
        second.wait("is writing")
        first.type(ESCAPE + b"s")
        third.wait(r"is read-only now; nobody writes, \^Eca for read-write\]")
        second.type(ESCAPE + b"a")
        third.wait(r"\w+ writes now\]")
        first.type(ESCAPE + b"A")
        second.wait("asks you to hand over")
        begin = len(first.shown)
        leave(second)
        first.wait(r"left; nobody writes now, \^Eca for read-write\]", begin=begin)
        first.type(b"x")
        first.wait(r"1 key dropped: read-only; \^Eca for read-write\]", begin=begin)
        leave(first, third)


def test_a_message_reaches_everybody_and_the_log_escaped():
    with Site(SHELL) as site:
        site.wait_up("sh")
        first, second = attach(site, "sh"), attach(site, "sh", "-r")
        second.type(ESCAPE + b"bback in 5 minutes\r")
        first.wait(r"\[\w+: back in 5 minutes\]")
        second.wait(r"\[\w+: back in 5 minutes\]")
        assert site.oob("msg", "sh", "\x1b[2Jreboot").stdout == "said on 1 console, to 2 sessions\n"
        first.wait(r": \\x1b\[2Jreboot\]")
        assert b"\x1b[2Jreboot" not in first.shown
        assert "back in 5 minutes" in site.oob("log", "sh", "--time").stdout
        assert site.oob("msg", "nosuch", "x", check=False).returncode == 4
        assert site.oob("msg", "sh", "", check=False).returncode == 2
        leave(first, second)


def test_who_is_kicked_is_told_and_stays_out_and_the_others_are_told():
    with Site(SHELL) as site:
        site.wait_up("sh")
        first = attach(site, "sh")
        looking = Stream(site.socket)
        channel = looking.attach("sh")
        user = site.rest("GET", "/v1/sessions")["sessions"][0]["user"]
        assert site.oob("kick", "sh", "nobody-here", check=False).returncode == 4
        assert site.oob("kick", "sh", check=False).returncode == 2
        site.oob("kick", "sh", user)
        first.wait("ended your session")
        assert first.ended() == 1 and first.restored()
        assert "ended your session" in looking.wait(channel, "detached")["text"]
        eventually(lambda: site.rest("GET", "/v1/sessions")["sessions"] == [], 5, "nobody to be attached")
        assert f"{user} kicked {user}" in site.oob("log", "sh", "--time").stdout
        first.close()


def test_the_seat_is_kept_for_who_lost_the_connection_and_free_for_who_left():
    with Site(SHELL) as site:
        site.wait_up("sh")
        lost = Stream(site.socket)
        channel = lost.attach("sh", write=True)
        session = channel.messages[0]["session"]
        lost.socket.shutdown(socket.SHUT_RDWR)
        lost.close()
        eventually(lambda: site.rest("GET", "/v1/sessions?names=sh")["sessions"][0].get("kept_until"), 5, "a kept seat")
        assert "lost the connection, seat kept until" in site.oob("who", "sh").stdout
        assert "seat kept until" in site.oob("info", "sh").stdout
        other = attach(site, "sh")
        other.wait("lost the connection and may write again within")
        back = Stream(site.socket)
        again = back.attach("sh", write=True, session=session)
        assert again.messages[0]["mode"] == "writer"
        other.wait("back from a lost connection")
        back.type(again, b"echo still-$((40 + 2))\n")
        other.wait("still-42")
        back.send_json({"type": "detach", "channel": again.number})
        other.wait(r"\w+ left; nobody writes now, \^Eca for read-write\]")
        begin = len(other.shown)
        other.type(ESCAPE + b"a")
        other.wait("read-write", begin=begin)
        leave(other)
        back.close()


def test_whose_link_is_cut_while_typing_writes_again_without_asking():
    with Site(SHELL) as site:
        site.wait_up("sh")
        proxy = UnixProxy(site.socket, f"{site.folder}/proxy")
        first = attach(site, "sh", socket_path=proxy.path)
        other = attach(site, "sh", "-r")
        first.type(b"echo before-$((1 + 1))\n")
        first.wait("before-2")
        begin = len(first.shown)
        proxy.cut(accept=False)
        other.wait("left: lost the connection; may write again within 30 s")
        first.wait("connection lost", begin=begin)
        first.type(b"echo never-typed\n")
        first.wait("dropped: not connected", begin=begin)
        proxy.resume()
        first.wait("sh: connected again, read-write", begin=begin)
        first.type(b"echo after-$((1 + 1))\n")
        first.wait("after-2", begin=begin)
        assert b"never-typed" not in open(site.log_path("sh"), "rb").read()
        leave(first, other)
        proxy.close()


def test_a_kept_seat_is_taken_by_force_and_who_comes_back_is_told():
    with Site(SHELL) as site:
        site.wait_up("sh")
        proxy = UnixProxy(site.socket, f"{site.folder}/proxy")
        first = attach(site, "sh", socket_path=proxy.path)
        begin = len(first.shown)
        proxy.cut(accept=False)
        first.wait("connection lost", begin=begin)
        second = attach(site, "sh", "-f")
        second.wait("sh: read-write")
        proxy.resume()
        first.wait(r"took over at [\d:]+ while you were away; you are now read-only", begin=begin)
        leave(second, first)
        proxy.close()


def test_an_attach_that_is_ended_by_a_signal_leaves_in_order():
    with Site(SHELL) as site:
        site.wait_up("sh")
        for number in (signal.SIGTERM, signal.SIGHUP):
            terminal = attach(site, "sh")
            terminal.process.send_signal(number)
            assert terminal.ended() == -number
            eventually(lambda: site.rest("GET", "/v1/sessions")["sessions"] == [], 5, "nobody on, no seat kept")
            terminal.close()


def test_a_break_where_the_line_has_none_is_said_and_no_key_of_a_sysrq_is_typed():
    with Site(SHELL) as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        terminal.type(ESCAPE + b"l0")
        terminal.wait("break not sent: this kind of line has no break")
        terminal.type(ESCAPE + b"!")
        terminal.wait("send SysRq: ")
        terminal.type(b"sync\r")
        terminal.wait("SysRq s not sent: this kind of line has no break")
        terminal.type(b"echo line-$((1 + 1))\n")
        terminal.wait("line-2")
        assert b"secho" not in terminal.shown
        leave(terminal)


def test_it_is_suspended_and_goes_on_with_the_terminal_in_order():
    with Site(SHELL) as site:
        site.wait_up("sh")
        shell = Terminal(["/bin/bash", "--norc", "-i"], {"OOB_SOCKET": site.socket})
        shell.type(f"{program('oob')} attach sh\n".encode())
        shell.wait(r"\[sh: read-write")
        shell.type(ESCAPE + b"z")
        shell.wait(r"Stopped")
        shell.type(b"echo here-$((1 + 1))\n")
        shell.wait("here-2")
        begin = len(shell.shown)
        shell.type(b"fg\n")
        shell.wait("oob attach sh\r\n", begin=begin)
        eventually(shell.is_raw, 5, "raw again")
        shell.type(b"echo again-$((1 + 1))\n")
        shell.wait("again-2", begin=begin)
        shell.type(ESCAPE + b".")
        shell.wait("left sh", begin=begin)
        shell.close()


def test_a_local_command_talks_to_the_console_and_gives_it_back():
    with Site(SHELL) as site:
        site.wait_up("sh")
        terminal = attach(site, "sh")
        begin = len(terminal.shown)
        terminal.type(ESCAPE + b"|printf 'echo from-$((20+3))\\n'; grep -m1 from-23 >&2\r")
        terminal.wait("the command has ended: status 0", begin=begin)
        terminal.wait("from-23", begin=begin)
        terminal.type(b"echo mine-$((1 + 1))\n")
        terminal.wait("mine-2", begin=begin)
        begin = len(terminal.shown)
        terminal.type(ESCAPE + b"|cat >/dev/null\r")
        terminal.wait(r"\^C ends it", begin=begin)
        terminal.type(b"\x03")
        terminal.wait("the command has ended: killed by Terminated", begin=begin)
        leave(terminal)


def test_the_styles_of_conman_and_ssh():
    with Site(SHELL) as site:
        site.wait_up("sh")
        conman = attach(site, "sh", "--escape-style", "conman")
        conman.wait(r"&\? help, &\. leave")
        conman.type(b"echo a && echo b-$((1+1))\n")
        conman.wait("a & echo b-2|b-2")
        conman.type(b"&.")
        assert conman.ended() == 0
        ssh = attach(site, "sh", "--escape-style", "ssh")
        ssh.type(b"echo ~.$((1+1))\n")
        ssh.wait(r"~\.2")
        ssh.type(b"~.")
        assert ssh.ended() == 0
        conman.close(), ssh.close()
        assert site.oob("attach", "sh", "--escape-style", "vi", check=False).returncode == 2


def test_no_line_of_ours_is_wider_than_the_terminal():
    with Site(SHELL) as site:
        site.wait_up("sh")
        for columns in (40, 80):
            terminal = attach(site, "sh", "-n", "0", columns=columns)
            greeting = terminal.wait(rb"\[sh: .*?\]").group()
            assert max(len(line) for line in greeting.split(b"\r\n")) <= columns, greeting
            begin = len(terminal.shown)
            terminal.type(ESCAPE + b"?")
            text = terminal.wait(rb"leave.*send \^Ec\]", begin=begin).group()
            assert max(len(line) for line in re.split(rb"\r\n", text)) <= columns, text
            leave(terminal)
