"""Network namespaces and cables between them; all go with the object that made them."""

import os
import shutil
import subprocess
import tempfile

PREFIX = "weir-demo-"


def run(*words):
    """Runs a command, which must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(line):
    """`ip` with these words."""
    return run("ip", *line.split())


def is_left(name):
    """Whether a thing is of a demo whose process is gone."""
    owner = name.removeprefix(PREFIX).split("-")[0]
    return name.startswith(PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}")


def sweep():
    """Removes what a demo left whose process was killed."""
    for line in ip("netns list").splitlines():
        if line.split() and is_left(line.split()[0]):
            ip(f"netns del {line.split()[0]}")
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if is_left(entry.name) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                shutil.rmtree(entry.path, ignore_errors=True)


class Host:
    """A namespace."""

    def __init__(self, name):
        self.name = name
        self.namespace = f"{PREFIX}{os.getpid()}-{name}"
        ip(f"netns add {self.namespace}")

    def ip(self, line):
        """`ip` inside."""
        return ip(f"-n {self.namespace} {line}")

    def sh(self, script):
        """A shell's script inside."""
        return run("ip", "netns", "exec", self.namespace, "sh", "-ec", script)

    def words(self, *words):
        """The command line that runs these words inside."""
        return ["ip", "netns", "exec", self.namespace, *words]


class Network:
    """Hosts `desk`, `laptop` and `web` around a `router`."""

    def __init__(self):
        self.hosts = {}

    def build(self, office, addresses):
        """Makes the hosts; `desk` and `web` have these addresses too."""
        for name in ("desk", "laptop", "router", "web"):
            host = self.hosts[name] = Host(name)
            host.ip("link set lo up")
            # Duplicate addresses are not looked for, and nobody asks for routers.
            host.sh(
                "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "
                "net.ipv6.conf.default.router_solicitations=0"
            )
        desk, laptop, router, web = self.hosts.values()
        self.cable(desk, "eth0", "192.168.77.2/24", "fd77:77::2/64", router, "lan0", "192.168.77.1/24", "fd77:77::1/64")
        self.cable(laptop, "eth0", "192.168.78.2/24", "fd77:78::2/64", router, "radio0", "192.168.78.1/24", "fd77:78::1/64")
        self.cable(web, "eth0", "203.0.113.2/24", "2001:db8:77::2/64", router, "wan0", "203.0.113.1/24", "2001:db8:77::1/64")
        for host, gateway in ((desk, 77), (laptop, 78)):
            host.ip(f"route add default via 192.168.{gateway}.1")
            host.ip(f"-6 route add default via fd77:{gateway}::1")
        web.ip("route add default via 203.0.113.1")
        web.ip("-6 route add default via 2001:db8:77::1")
        router.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for host, more in ((desk, office), (web, addresses)):
            host.sh("\n".join(f"ip addr add {address}/24 dev eth0" for address in more))
        # A radio that is too slow for what comes: what finds no place in its queue is lost.
        router.sh("tc qdisc add dev radio0 root tbf rate 8mbit burst 8k limit 12k")

    @staticmethod
    def cable(one, device, address, address6, other, other_device, other_address, other_address6):
        """Joins two hosts."""
        one.ip(f"link add {device} type veth peer name {other_device} netns {other.namespace}")
        for host, name, four, six in (
            (one, device, address, address6),
            (other, other_device, other_address, other_address6),
        ):
            host.ip(f"addr add {four} dev {name}")
            host.ip(f"addr add {six} dev {name} nodad")
            host.ip(f"link set {name} up")
            # Without offloads what passes the device is what is on the wire, for other counters too.
            host.sh(f"ethtool -K {name} tso off gso off gro off tx off")

    def remove(self):
        """Removes all of it."""
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.namespace], capture_output=True, check=False)
        self.hosts.clear()
