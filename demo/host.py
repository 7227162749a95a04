"""Beside each Weir: host.py PAGE_FD TRUTH_FD NAME. Runs in the host's namespace with two sockets that listen outside.

On the first it hands connections on to Weir's port inside; on the second it tells what the kernel itself counted, the
truth that Weir's numbers are compared with.
"""

import json
import socket
import subprocess
import sys
import threading

import metrics
import plan

# Of the link layer, which netfilter does not count.
ETHERNET = 14


def pump(source, sink):
    """Copies until one side ends."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def forward(fd):
    """Hands on connections to Weir."""
    listener = socket.socket(fileno=fd)
    while True:
        outside, _ = listener.accept()
        try:
            inside = socket.create_connection(("127.0.0.1", plan.WEIR_PORT), 5)
        except OSError:
            outside.close()
            continue
        inside.settimeout(None)
        for pair in ((outside, inside), (inside, outside)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def count_addresses():
    """Has netfilter count what passes to and from each site."""
    rules = ["table inet truth {"]
    hosts = [address for address in plan.ADDRESSES if address not in plan.MANY]
    for address in hosts:
        rules += [f"counter transmit-{address} {{ }}", f"counter receive-{address} {{ }}"]
    for direction, hook, side in (("receive", "prerouting", "saddr"), ("transmit", "postrouting", "daddr")):
        rules.append(f"chain {direction} {{ type filter hook {hook} priority 300;")
        rules += [f"ip {side} {address} counter name {direction}-{address}" for address in hosts]
        rules.append("}")
    rules.append("}")
    subprocess.run(["nft", "-f", "-"], input="\n".join(rules), text=True, check=True)


def truth(name):
    """The kernel's own numbers."""
    text = []
    with open("/proc/net/dev", encoding="ascii") as file:
        for row in file.readlines()[2:]:
            device, numbers = row.split(":")
            numbers = numbers.split()
            for direction, at in (("receive", 0), ("transmit", 8)):
                labels = {"host": name, "device": device.strip(), "direction": direction}
                text.append(metrics.line("truth_device_bytes_total", labels, numbers[at]))
                text.append(metrics.line("truth_device_packets_total", labels, numbers[at + 1]))
    with open("/proc/net/snmp", encoding="ascii") as file:
        keys, values = [row.split()[1:] for row in file if row.startswith("Tcp:")]
    tcp = dict(zip(keys, values))
    for key in ("ActiveOpens", "RetransSegs", "OutSegs", "InSegs"):
        text.append(metrics.line("truth_tcp_total", {"host": name, "what": key}, tcp[key]))
    if name == "desk":
        listed = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, text=True, check=True)
        for entry in json.loads(listed.stdout)["nftables"]:
            if counter := entry.get("counter"):
                direction, address = counter["name"].split("-", 1)
                size = counter["bytes"] + ETHERNET * counter["packets"]
                labels = {"host": name, "address": address, "direction": direction}
                text.append(metrics.line("truth_address_bytes_total", labels, size))
    return "".join(text)


def main():
    page, told, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if name == "desk":
        count_addresses()
    metrics.serve(told, lambda: truth(name))
    forward(page)


main()
