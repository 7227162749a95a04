"""ClickHouse's engine behind HTTP: POST with the statement in `query` (and rows in the body) or in the body, and
settings as parameters, as ClickHouse's own server takes them. `python lake.py PORT DIRECTORY`."""
import gzip
import http.server
import os
import sys
import threading
import urllib.parse

from chdb import session

port, directory = int(sys.argv[1]), sys.argv[2]
engine = session.Session(os.path.join(directory, "data"))
for statement in open(os.path.join(directory, "tables.sql"), encoding="utf-8").read().split(";\n"):
    if statement.strip() and not statement.strip().startswith("--") or "CREATE" in statement:
        engine.query(statement)


def insert(statement, settings, rows):
    path = os.path.join(directory, "rows.json")
    with open(path, "wb") as file:
        file.write(rows)
    # The engine takes settings in the statement, and rows from a file.
    given = ", ".join(f"{name} = '{value}'" for name, value in settings.items())
    into = statement.replace(" FORMAT JSONEachRow", "")
    engine.query(f"{into} FROM INFILE '{path}' SETTINGS {given} FORMAT JSONEachRow")


turn = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def answer(self, status, body):
        self.send_response(status)
        if status != 200:
            self.send_header("X-ClickHouse-Exception-Code", body.split(b"Code: ")[-1].split(b".")[0].decode()[:8])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        settings = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        statement = settings.pop("query", None)
        with turn:
            self.work(statement, settings, body)

    def work(self, statement, settings, body):
        try:
            if statement is None:
                if b"'again'" in body:
                    insert(*self.server.last)
                self.answer(200, engine.query(body.decode()).bytes())
                return
            if ".flow " in statement:
                self.server.last = (statement, settings, body)
                with open(os.path.join(directory, "last"), "w", encoding="utf-8") as file:
                    file.write(self.path)
            insert(statement, settings, body)
            self.answer(200, b"")
        except Exception as error:  # What the engine says is the answer.
            print(statement, error, flush=True)
            self.answer(500, str(error).encode())


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
