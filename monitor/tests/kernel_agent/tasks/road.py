"""A long and bad road between two devices, frame by frame.

road.py DEVICE DEVICE FAR MILLISECONDS LOSSY N: what goes to or comes from the address FAR takes so long
each way, and of the TCP segments with data that LOSSY sends, each Nth is lost.
"""

import heapq
import select
import socket
import sys
import time

SO_RCVBUFFORCE = 33  # of <asm-generic/socket.h>; Python has no name for it
left, right, far, milliseconds, lossy, every = sys.argv[1:]
far, lossy = socket.inet_aton(far), socket.inet_aton(lossy)
devices = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2)]
for device, name in zip(devices, (left, right)):
    device.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
    device.bind((name, 0))
print("open", flush=True)
queue, number, segments = [], 0, 0
while True:
    wait = max(queue[0][0] - time.monotonic(), 0) if queue else None
    for device in select.select(devices, [], [], wait)[0]:
        frame, (_, _, kind, *_) = device.recvfrom(65536)
        if kind == socket.PACKET_OUTGOING:
            continue
        ip = frame[12:14] == b"\x08\x00"
        if ip and frame[26:30] == lossy and len(frame) > 200:
            segments += 1
            if segments % int(every) == 0:
                continue
        delay = int(milliseconds) / 1000 if ip and far in (frame[26:30], frame[30:34]) else 0
        number += 1
        out = devices[1] if device is devices[0] else devices[0]
        heapq.heappush(queue, (time.monotonic() + delay, number, out, frame))
    while queue and queue[0][0] <= time.monotonic():
        _, _, out, frame = heapq.heappop(queue)
        out.send(frame)
