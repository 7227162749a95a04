"""A small network with Weir on every host and Prometheus over it: `cargo xtask demo` starts it.

It needs root, and Python with aioquic. Everything is in network namespaces of its own and in one temporary
directory; on loopback of this host are Prometheus and the pages. All of it goes when the program ends.
"""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# Root writes nothing into the checkout.
sys.dont_write_bytecode = True

import network  # noqa: E402
import plan  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LOOPBACK = "127.0.0.1"

# Of Weir on each host; the router is given far too little, so that there is something to see about limits.
SETTINGS = {
    "desk": 'interface = ["eth0"]\npeers = true\n',
    "laptop": 'interface = ["eth0"]\n',
    "router": 'interface = ["lan0", "radio0", "wan0"]\nwan = ["wan0"]\nmax-flows = 256\n'
    "[series]\nmax = 40\n[samples]\nper-second = 40\n[fanout]\nhosts = 16\nmax-sources = 16\n",
    "web": 'interface = ["eth0"]\n',
}
# Records of one host are kept, those of another go where there is no room.
RECORDS = {"desk": "records.json", "laptop": "/dev/full"}

PR_SET_PDEATHSIG = 1
BPF_ENABLE_STATS = 32
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
LIBC = ctypes.CDLL(None, use_errno=True)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="cargo xtask demo", description=__doc__.splitlines()[0])
    parser.add_argument("--weir", required=True, help="the binary")
    parser.add_argument("--seconds", type=float, help="end after this; until Ctrl-C unless told")
    parser.add_argument("--rules", default=f"{ROOT}/dashboards/rules", help="directory of Prometheus' rules")
    parser.add_argument("--state", help="file to be told what runs where, as JSON")
    parser.add_argument("--any-port", action="store_true", help="take any free ports of loopback")
    return parser.parse_args()


def listener(wanted):
    """A socket of this host that listens on this port of loopback, or on the next free one."""
    for port in [*range(wanted, wanted + 50), 0] if wanted else [0]:
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((LOOPBACK, port))
        except OSError:
            opened.close()
            continue
        opened.listen(64)
        return opened
    raise RuntimeError("no free port")


def count_program_runs():
    """Has the kernel time its eBPF programs for as long as the file is open; none where it cannot."""
    number = BPF_SYSCALL.get(os.uname().machine)
    attributes = ctypes.create_string_buffer(128)
    file = LIBC.syscall(number, BPF_ENABLE_STATS, attributes, len(attributes)) if number else -1
    return file if file >= 0 else None


class Demo:
    """All that runs."""

    def __init__(self, options, directory, stack):
        self.options, self.directory, self.stack = options, directory, stack
        self.network = network.Network()
        self.children = {}
        self.pages = {}
        self.targets = []

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        """A file of the temporary directory."""
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, words, sockets=()):
        """Starts a program, which ends with this one."""
        log = open(self.path(f"{name}.log"), "wb")
        fds = [opened.fileno() for opened in sockets]
        self.children[name] = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=fds,
            # Ctrl-C is for this program alone; if it is killed, the kernel ends the others.
            start_new_session=True,
            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            env={key: value for key, value in os.environ.items() if not key.startswith("WEIR_")}
            | {"PYTHONPATH": f"{ROOT}/monitor/tests/kernel_agent/clients", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for opened in sockets:
            opened.close()

    def log(self, name):
        with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self, what, done, name=None):
        """Polls until it is so; a child that ends before is an error."""
        end = time.monotonic() + 60
        while not done():
            child = self.children.get(name)
            if child and child.poll() is not None:
                raise RuntimeError(f"{name} ended:\n{self.log(name)[-2000:]}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited 60 s for {what}\n{self.log(name)[-2000:] if name else ''}")
            time.sleep(0.1)

    def build(self):
        """Everything, one after the other."""
        network.sweep()
        self.stack.callback(self.network.remove)
        self.stack.callback(self.end)
        self.network.build(plan.OFFICE, plan.ADDRESSES)
        if (file := count_program_runs()) is not None:
            self.stack.callback(os.close, file)
        # What a flow without a name is called after comes first.
        names = [plan.INTRANET.name, *sorted({f"*.{plan.domain(site.name)}" for site in plan.SITES})]
        names = ",".join(f"DNS:{name}" for name in names)
        network.run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={plan.INTRANET.name}", "-addext", f"subjectAltName={names}",
            "-keyout", self.path("key.pem"), "-out", self.path("certificate.pem"),
        )
        for name, role in (("web", []), ("router", ["router"])):
            words = [sys.executable, f"{HERE}/servers.py", self.directory, *role]
            self.start(f"servers-{name}", self.network.hosts[name].words(*words))
            self.wait("the servers", lambda: "ready" in self.log(f"servers-{name}"), f"servers-{name}")
        for name in SETTINGS:
            self.start_weir(name)
        for name in ("desk", "laptop"):
            counters = self.page()
            self.targets.append({"targets": [address(counters)], "labels": {"instance": f"clients-{name}"}})
            words = [sys.executable, f"{HERE}/clients.py", str(counters.fileno()), name]
            self.start(f"clients-{name}", self.network.hosts[name].words(*words), [counters])
        self.start_prometheus()

    def page(self, wanted=0):
        return listener(0 if self.options.any_port else wanted)

    def start_weir(self, name):
        """Weir on a host, and what hands its page out."""
        host = self.network.hosts[name]
        page, truth = self.page(plan.WEIR_PORT), self.page()
        self.pages[name] = address(page)
        self.targets.append({"targets": [address(truth)], "labels": {"instance": f"kernel-{name}"}})
        fds = [str(page.fileno()), str(truth.fileno())]
        self.start(f"host-{name}", host.words(sys.executable, f"{HERE}/host.py", *fds, name), [page, truth])
        # A namespace of the network alone would leave all of them the name of this host.
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        words = [*named, self.options.weir, "run", "--config.file", self.write(f"{name}.toml", SETTINGS[name])]
        if name in RECORDS:
            words.append(f"--json={os.path.join(self.directory, RECORDS[name])}")
        self.start(f"weir-{name}", host.words(*words))
        ready = f"http://{self.pages[name]}/-/ready"
        self.wait(f"Weir on {name}", lambda: answers(ready), f"weir-{name}")

    def start_prometheus(self):
        """Prometheus, with the rules, on loopback of this host."""
        rules = os.path.join(os.path.abspath(self.options.rules), "*.yaml")
        weirs = [{"targets": [page], "labels": {"instance": name}} for name, page in self.pages.items()]
        # JSON is YAML too.
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [
                {"job_name": "weir", "static_configs": weirs},
                {"job_name": "demo", "static_configs": self.targets},
            ],
        }
        config = self.write("prometheus.yml", json.dumps(config, indent=1))
        free = self.page(9090)
        self.prometheus = address(free)
        free.close()
        self.start("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.path('data')}",
            f"--web.listen-address={self.prometheus}",
        ])
        self.wait("Prometheus", lambda: answers(f"http://{self.prometheus}/-/ready"), "prometheus")

    def ask(self, expression):
        """The first number of an answer of Prometheus; 0 if there is none."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/query?{query}", timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def provision(self):
        """What makes a Grafana show the boards by itself."""
        self.write("grafana/datasources/weir.yaml", json.dumps({
            "apiVersion": 1,
            "datasources": [{
                "name": "Weir's demo", "type": "prometheus", "access": "proxy", "isDefault": True,
                "url": f"http://{self.prometheus}", "jsonData": {"timeInterval": "1s"},
            }],
        }))
        self.write("grafana/dashboards/weir.yaml", json.dumps({
            "apiVersion": 1,
            "providers": [{"name": "Weir", "folder": "Weir", "options": {"path": f"{ROOT}/dashboards"}}],
        }))
        os.chmod(self.directory, 0o755)
        return self.path("grafana")

    def tell(self):
        """Says what is where, on the terminal and in the file for programs."""
        pages = "\n".join(f"  Weir on {name:<7} http://{page}/" for name, page in self.pages.items())
        grafana = shutil.which("grafana-server") or shutil.which("grafana")
        folder = self.provision()
        start = (
            f"Grafana is here: start one with this Prometheus and the boards by\n"
            f"  GF_PATHS_PROVISIONING={folder} GF_PATHS_DATA={self.path('grafana-data')} GF_SERVER_HTTP_PORT=3000 \\\n"
            f"    {grafana} --homepath /usr/share/grafana"
            if grafana
            else f"  (or all at once: Grafana's paths.provisioning = {folder})"
        )
        graph = urllib.parse.urlencode({
            "g0.expr": 'topk(8, sum by (domain) (rate(weir_domain_io_bytes_total{instance="desk", domain!=""}[15s])))',
            "g0.tab": 0, "g0.stacked": 1, "g0.range_input": "2m",
        })
        print(f"""
A desk and a laptop behind a bad radio speak through a router to a server, with Weir on all four.

{pages}
  Prometheus       http://{self.prometheus}/graph?{graph}
  its alerts       http://{self.prometheus}/alerts

The router has far too little room on purpose, and something on the laptop scans: alerts fire for both.

Boards in Grafana 10 and newer: add a data source Prometheus with the URL http://{self.prometheus}, then
  Dashboards > New > Import, each file of {ROOT}/dashboards
{start}
""", flush=True)
        if self.options.state:
            hosts = {
                name: {
                    "page": page,
                    "process": self.children[f"weir-{name}"].pid,
                    "settings": self.path(f"{name}.toml"),
                    "namespace": self.network.hosts[name].namespace,
                }
                for name, page in self.pages.items()
            }
            state = {"prometheus": self.prometheus, "directory": self.directory, "hosts": hosts}
            part = f"{self.options.state}.part"
            with open(part, "w", encoding="utf-8") as file:
                json.dump(state, file)
            os.rename(part, self.options.state)

    def run(self):
        """Until it is time."""
        begin = time.monotonic()
        end = begin + self.options.seconds if self.options.seconds else None
        filled = False
        while end is None or time.monotonic() < end:
            if not filled and self.ask('count(sum by (domain) (rate(weir_domain_io_bytes_total{domain!=""}[1m])) > 0)') >= 8:
                filled = True
                print(f"Boards have data after {time.monotonic() - begin:.0f} s. Ctrl-C ends it.", flush=True)
            for name, child in list(self.children.items()):
                if child.poll() is not None:
                    del self.children[name]
                    print(f"{name} ended ({child.returncode}): {self.log(name)[-300:]}", flush=True)
            time.sleep(0.5)

    def end(self):
        """Ends what was started: Weir has time to take its programs away."""
        for child in self.children.values():
            child.terminate()
        deadline = time.monotonic() + 5
        for child in self.children.values():
            try:
                child.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def address(opened):
    """Where a socket listens."""
    return "{}:{}".format(*opened.getsockname())


def answers(url):
    """Whether there is a page."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def stop(*_):
    raise SystemExit(0)


def main():
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("demo: needs root for network namespaces and for Weir")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{network.PREFIX}{os.getpid()}-"))
        # What cleans up is not to be disturbed.
        demo = Demo(options, directory, stack)
        try:
            demo.build()
            demo.tell()
            demo.run()
        except RuntimeError as error:
            sys.exit(f"demo: {error}")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)


main()
