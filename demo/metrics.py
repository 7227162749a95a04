"""Counters as a page for Prometheus, served on a socket that another namespace opened."""

import collections
import http.server
import socket
import threading


class Counters:
    """Numbers by name and labels."""

    def __init__(self):
        self.lock = threading.Lock()
        self.values = collections.Counter()

    def add(self, name, amount=1, **labels):
        """Adds to one."""
        with self.lock:
            self.values[name, tuple(sorted(labels.items()))] += amount

    def text(self):
        """All as a page."""
        with self.lock:
            values = sorted(self.values.items())
        return "".join(line(name, dict(labels), value) for (name, labels), value in values)


def line(name, labels, value):
    """A sample."""
    inner = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{inner}}} {value}\n"


def serve(fd, text):
    """Serves what `text()` gives on the listening socket with this number, on threads of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=fd)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
