"""Holds one thread of a process for as long as this runs: hold.py PID NAME. Says `held` when it does not run any more."""

import ctypes
import os
import signal
import sys

SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def read(*path):
    with open(os.path.join("/proc", sys.argv[1], "task", *path), encoding="utf-8") as file:
        return file.read()


def ptrace(request, thread):
    if LIBC.ptrace(request, thread, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")


(thread,) = [int(task) for task in os.listdir(f"/proc/{sys.argv[1]}/task") if read(task, "comm").strip() == sys.argv[2]]
# While it sleeps: what it works on, others would wait for.
while read(str(thread), "stat").rsplit(")", 1)[1].split()[0] != "S":
    pass
ptrace(SEIZE, thread)
ptrace(INTERRUPT, thread)
os.waitpid(thread, WALL)
print("held", flush=True)
signal.pause()
