"""Receives Tapeline's signals with Python's standard library only: python3 receiver.py"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["TAPELINE_WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 1_048_576
AGAIN_SECONDS = 5


def act(event):
    data = event["data"]
    print(f"{data['side']} {data['symbol']} at {data['price']} ({data['strategy']})", flush=True)


def is_genuine(headers, body):
    """Whether it is signed with our secret, unchanged, and made lately (Standard Webhooks v1)."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = b".".join([event_id.encode(), timestamp.encode(), body])
    expected = b"v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # Several while a secret rotates.
    return any(hmac.compare_digest(expected, given.encode()) for given in headers.get("webhook-signature", "").split(" "))


class Inbox:
    """Events that have arrived, each once by its id, until they are done: an answer is a promise not to lose them."""

    def __init__(self, path):
        self.path = path
        self.is_there_work = threading.Event()
        database = self.opened()
        database.execute("CREATE TABLE IF NOT EXISTS inbox (place INTEGER PRIMARY KEY, id TEXT UNIQUE, event TEXT, done INTEGER DEFAULT 0)")
        database.close()
        self.is_there_work.set()
        threading.Thread(target=self.work, daemon=True).start()

    def opened(self):
        return sqlite3.connect(self.path, timeout=10, isolation_level=None)

    def take(self, events):
        rows = [(event["id"], json.dumps(event)) for event in events]
        database = self.opened()
        database.executemany("INSERT OR IGNORE INTO inbox (id, event) VALUES (?, ?)", rows)
        database.close()
        self.is_there_work.set()

    def work(self):
        """Oldest first. An event that fails is tried again; what came after it for its symbol waits too, and all others go on."""
        database = self.opened()
        held_until = {}
        while True:
            self.is_there_work.wait(AGAIN_SECONDS)
            self.is_there_work.clear()
            now = time.monotonic()
            rows = database.execute("SELECT place, event FROM inbox WHERE NOT done ORDER BY place").fetchall()
            for place, text in rows:
                event = json.loads(text)
                symbol = event.get("subject")
                if held_until.get(symbol, now) > now:
                    continue
                try:
                    # Other types are no signals: a ping, and whatever comes one day.
                    if event["type"] == "tapeline.signal.v1":
                        act(event)
                    database.execute("UPDATE inbox SET done = 1 WHERE place = ?", (place,))
                except Exception:
                    traceback.print_exc()
                    held_until[symbol] = time.monotonic() + AGAIN_SECONDS


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self):
        length = self.headers.get("content-length", "")
        body = self.rfile.read(int(length)) if length.isdigit() and int(length) <= BODY_BYTES_MAX else b""
        if not is_genuine(self.headers, body):
            return self.answer(401)
        payload = json.loads(body)
        inbox.take(payload if isinstance(payload, list) else [payload])
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()

    def log_message(self, *_):
        pass


inbox = Inbox("inbox.sqlite")
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8787"))), Receiver)
print(f"listening at http://127.0.0.1:{server.server_port}/hooks", flush=True)
server.serve_forever()
