"""Web servers whose answers have a known size and come after a known time.

server.py CERTIFICATE KEY PORT…: a port that ends in 443 speaks TLS. GET /BYTES/MILLISECONDS.
"""

import http.server
import ssl
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        size, milliseconds = map(int, self.path.strip("/").split("/"))
        time.sleep(milliseconds / 1000)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"w" * size)

    def log_message(self, *_):
        pass


certificate, key, *ports = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
for port in ports:
    server = http.server.ThreadingHTTPServer(("", int(port)), Handler)
    server.daemon_threads = True
    if port.endswith("443"):
        # The handshake is the handler's, so that nobody waits for somebody else's.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()
