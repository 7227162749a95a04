"""A receiver of OTLP over HTTP, by OpenTelemetry's own classes: a line of JSON a log record. The first answer rejects one
record. `python otlp.py PORT DIRECTORY`."""
import gzip
import http.server
import json
import sys

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

out = open(sys.argv[2] + "/records", "w", encoding="utf-8")


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rejected = 1

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        request = ExportLogsServiceRequest.FromString(body)
        numbered = 0
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    line = {pair.key: value(pair.value) for pair in record.attributes}
                    line["event"] = record.event_name or "weir." + value(record.body)
                    numbered += "weir.seq" in line
                    out.write(json.dumps(line) + "\n")
        out.flush()
        answer = ExportLogsServiceResponse()
        if numbered and Handler.rejected:
            answer.partial_success.rejected_log_records = Handler.rejected
            Handler.rejected = 0
        body = answer.SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
