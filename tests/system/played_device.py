#!/usr/bin/python3
"""A device's command line, played from a transcript of tests/golden/profiles on standard input and output: says what it
says, waits for what it is told, and is then a console that tells what it gets, as `got b'..'`. usage: played_device.py FILE"""
import os
import re
import sys
import tty


def unescape(text):
    return re.sub(r"\\(x..|.)", lambda found: {"r": "\r", "n": "\n"}.get(found[1]) or
                  (chr(int(found[1][1:], 16)) if found[1][0] == "x" else found[1]), text).encode("latin-1")


def say(data):
    os.write(1, data)


def main():
    if os.isatty(0):
        tty.setraw(0)
    started = False
    for line in open(sys.argv[1], encoding="utf-8"):
        mark, _, rest = line.rstrip("\n").partition(" ")
        if mark in ("port", "console"):
            if started:
                break
            started = True
        elif mark in ("<", "done"):
            say(unescape(rest))
        elif mark == ">":
            wanted, got = unescape(rest), b""
            while len(got) < len(wanted):
                got += os.read(0, len(wanted) - len(got)) or sys.exit("the end")
            if got != wanted:
                say(b"syntax error\r\n")
                return
    while data := os.read(0, 4096):
        say(b"got %r\r\n" % data)


main()
