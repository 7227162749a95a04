"""The clients of a host: clients.py COUNTERS_FD (desk | laptop). Runs until it is ended."""

import ctypes
import signal
import subprocess
import sys
import warnings

import metrics
import names
import plan
import trouble
import web
from schedule import COUNTERS

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

# Old versions are spoken on purpose.
warnings.simplefilter("ignore", DeprecationWarning)


def main():
    metrics.serve(int(sys.argv[1]), COUNTERS.text)
    if sys.argv[2] == "laptop":
        trouble.laptop()
    else:
        web.sites()
        web.radio()
        web.chat()
        web.weak()
        web.quic()
        names.start()
        trouble.start()
        for address in (plan.WEB, plan.WEB6):
            subprocess.Popen(
                ["ping", "-q", "-i", "0.5", address],
                stdout=subprocess.DEVNULL,
                # It ends with this program, however that ends.
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
    signal.pause()


main()
