"""Compares a table of packets with what tshark reads from the same capture.

Usage: packets.py CAPTURE PACKETS.csv
"""

import csv
import datetime
import subprocess
import sys

# Columns of the table and fields of tshark.
FIELDS = {
    "frame": "frame.number",
    "length": "frame.len",
    "transport": "ip.proto",
    "source_ip": "ip.src",
    "destination_ip": "ip.dst",
    "ttl": "ip.ttl",
    "source_port": "tcp.srcport",
    "destination_port": "tcp.dstport",
    "payload_bytes": "tcp.len",
    "flags": "tcp.flags",
    "seq": "tcp.seq_raw",
    "ack": "tcp.ack_raw",
    "window": "tcp.window_size_value",
    "mss": "tcp.options.mss_val",
    "window_scale": "tcp.options.wscale.shift",
    "timestamp": "tcp.options.timestamp.tsval",
    "timestamp_echo": "tcp.options.timestamp.tsecr",
}
V6 = {"ip.proto": "ipv6.nxt", "ip.src": "ipv6.src", "ip.dst": "ipv6.dst", "ip.ttl": "ipv6.hlim"}
UDP = {"source_port": "udp.srcport", "destination_port": "udp.dstport"}
TRANSPORTS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "132": "sctp"}
BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}


def main(capture, packets):
    fields = sorted({*FIELDS.values(), *V6.values(), *UDP.values(), "udp.length", "frame.time_epoch"})
    command = ["tshark", "-n", "-r", capture, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=l"]
    command += ["-o", "tcp.relative_sequence_numbers:FALSE"]
    for field in fields:
        command += ["-e", field]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = list(csv.DictReader(open(packets, newline="", encoding="utf-8")))
    assert len(lines) == len(rows), (len(lines), len(rows))
    compared = 0
    for line, row in zip(lines, rows):
        truth = dict(zip(fields, line.split("\t")))
        for column, field in FIELDS.items():
            value = truth[field] or truth.get(V6.get(field), "") or truth.get(UDP.get(column), "")
            if column == "transport":
                value = TRANSPORTS.get(value, value)
            if column == "payload_bytes" and truth["udp.length"]:
                value = str(int(truth["udp.length"]) - 8)
            if column == "flags" and value:
                found = sum(BITS[name] for name in row["flags"].split() if name != "none")
                assert found == int(value, 16) & 0xFF, (row, value)
                continue
            if column == "ack" and "ACK" not in row["flags"]:
                value = ""
            assert row[column] == value, (row["frame"], column, row[column], value)
            compared += 1
        whole, fraction = row["time"].rstrip("Z").split(".")
        seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
        assert f"{int(seconds)}.{fraction}" == truth["frame.time_epoch"], (row["time"], truth)
    print(len(rows), compared)


main(*sys.argv[1:])
