#!/usr/bin/python3
"""Runs the system tests: every function test_* of tests/system/test_*.py, each in a process of its own, two at a time.
usage: tests/system/run.py [--lanes N] [PATTERN...]     a pattern is part of FILE.FUNCTION
Prints ok or FAIL with the time for each and ends with `N passed, N failed`."""
import glob
import importlib
import inspect
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
TIME_LIMIT_S = 120
CLEAN_UP_S = 40  # after the limit, to end its daemons


class TooLong(AssertionError):
    pass


def tests_of(module_name):
    module = importlib.import_module(module_name)
    own = [function for name, function in inspect.getmembers(module, inspect.isfunction)
           if name.startswith("test_") and function.__module__ == module_name]
    return sorted(own, key=lambda function: function.__code__.co_firstlineno)


def run_one(module_name, name):
    """In the child: the test itself."""
    def too_long(*_):
        raise TooLong("the time limit of this test is over")

    function = getattr(importlib.import_module(module_name), name)
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, too_long)
    import harness
    signal.alarm(time_limit(function) * harness.SLOW)
    try:
        function()
    except BaseException:
        traceback.print_exc()
        for site in harness.SITES:
            print(site.report())
        sys.stdout.flush()
        os._exit(1)  # threads of a broken test are not waited for
    os._exit(0)


def time_limit(function):
    return getattr(function, "time_limit_s", TIME_LIMIT_S)


class Lanes:
    """Hands out tests; one marked `alone` waits until nothing else runs, and nothing else starts beside it."""

    def __init__(self, jobs):
        self.jobs, self.running, self.lock = jobs, 0, threading.Condition()
        self.exclusive = False
        self.passed, self.failed = 0, []

    def take(self):
        with self.lock:
            while self.jobs:
                shared = next((job for job in self.jobs if not job[2]), None)
                if not self.exclusive and shared:
                    self.jobs.remove(shared)
                    self.running += 1
                    return shared
                if not shared and self.running == 0:  # those that run alone come last
                    self.exclusive, self.running = True, 1
                    return self.jobs.pop(0)
                self.lock.wait()
            return None

    def give_back(self, ok, title, took_s, text):
        with self.lock:
            self.running -= 1
            self.exclusive = False
            self.passed += ok
            if not ok:
                self.failed.append(title)
            print(f"{'ok  ' if ok else 'FAIL'} {title} ({took_s:.1f} s)", flush=True)
            if not ok:
                print("".join(f"     | {line}\n" for line in text.splitlines()[-120:]), end="", flush=True)
            self.lock.notify_all()

    def work(self):
        while (job := self.take()) is not None:
            module, name, _, limit_s = job
            began = time.monotonic()
            with tempfile.TemporaryFile() as output:
                child = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--one", module, name], stdout=output,
                                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
                try:
                    status = child.wait(limit_s + CLEAN_UP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    status = child.wait()
                output.seek(0)
                text = output.read().decode("utf-8", "replace")
            self.give_back(status == 0, f"{module[5:]}.{name[5:]}", time.monotonic() - began, text)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        run_one(*arguments[1:3])
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:  # by nohup or a shell's "&"; what is tested would inherit it
            signal.signal(number, signal.SIG_DFL)
    lanes = 2
    if arguments[:1] == ["--lanes"]:
        lanes, arguments = int(arguments[1]), arguments[2:]
    import harness
    jobs = []
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        module = os.path.basename(path)[:-3]
        for function in tests_of(module):
            if not arguments or any(pattern in f"{module}.{function.__name__}" for pattern in arguments):
                jobs.append((module, function.__name__, getattr(function, "alone", False),
                             time_limit(function) * harness.SLOW))
    jobs.sort(key=lambda job: -job[3])  # the longest first, so that none is waited for at the end
    began = time.monotonic()
    work = Lanes(jobs)
    threads = [threading.Thread(target=work.work) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for title in work.failed:
        print(f"failed: {title}")
    print(f"system tests: {time.monotonic() - began:.0f} s")
    print(f"{work.passed} passed, {len(work.failed)} failed")
    return 1 if work.failed or not work.passed else 0


if __name__ == "__main__":
    sys.exit(main())
