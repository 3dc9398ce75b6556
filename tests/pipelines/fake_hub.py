"""Run in a process of its own: loads models from a hub made up here, prints what was said.

huggingface_hub reads its endpoint and folders when it is imported, hence the process.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub(BaseHTTPRequestHandler):
    """Serves owner/tiny from a folder; others are gated, missing, or not pipelines."""

    folder = Path()

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path = self.path.split("?")[0]
        if "owner/gated" in path and "resolve" in path:
            self.reply(403, headers={"X-Error-Code": "GatedRepo"})
        elif "owner/missing" in path:
            self.reply(401, headers={"X-Error-Code": "RepoNotFound"})
        elif "owner/tiny" in path and "no-such-revision" in path:
            self.reply(404, headers={"X-Error-Code": "RevisionNotFound"})
        elif path.startswith("/api/models/owner/tiny/tree"):
            self.reply(200, json.dumps(self.tree()).encode(), body=body)
        elif path.startswith("/api/models/owner/tiny"):
            files = [{"rfilename": file["path"]} for file in self.tree() if file["type"] == "file"]
            info = {"id": "owner/tiny", "sha": "a" * 40, "siblings": files, "tags": []}
            self.reply(200, json.dumps(info).encode(), body=body)
        elif path.startswith("/owner/tiny/resolve/"):
            self.send_file(self.folder / path.split("/", 5)[5], body=body)
        else:
            self.reply(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "b" * 40})

    def tree(self):
        entries = sorted(self.folder.rglob("*"))
        return [
            {
                "type": "directory" if entry.is_dir() else "file",
                "path": entry.relative_to(self.folder).as_posix(),
                "oid": "0" * 40,
                "size": 0 if entry.is_dir() else entry.stat().st_size,
            }
            for entry in entries
        ]

    def send_file(self, file, *, body):
        if not file.is_file():
            self.reply(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "a" * 40})
            return
        content = file.read_bytes()
        etag = f'"{file.name}-{len(content)}"'
        self.reply(200, content, {"ETag": etag, "X-Repo-Commit": "a" * 40}, body=body)

    def reply(self, status, content=b"", headers=None, *, body=True):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def main(folder, cache):
    Hub.folder = Path(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    os.environ["HF_HOME"] = cache
    os.environ.pop("HF_HUB_OFFLINE", None)

    from accel_opt.core.errors import AccelOptError
    from accel_opt.pipelines.load import load_pipeline

    said = {}

    def attempt(name, model, **options):
        start = time.monotonic()
        try:
            pipe = load_pipeline(model, **options)
            said[name] = ["loaded", type(pipe).__name__]
        except AccelOptError as error:
            said[name] = [type(error).__name__, str(error)]
        said[name].append(time.monotonic() - start)

    for model in ("gated", "missing", "no-pipeline", "tiny"):
        attempt(model, f"owner/{model}")
    attempt("revision", "owner/tiny", revision="no-such-revision")
    attempt("elsewhere", "owner/tiny", cache_dir=f"{cache}/elsewhere")
    attempt("cache only", "owner/tiny", local_files_only=True)
    attempt("cache only, not there", "owner/other", local_files_only=True)
    server.shutdown()
    server.server_close()
    attempt("hub gone, cached", "owner/tiny")
    attempt("hub gone", "SDXL")
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
