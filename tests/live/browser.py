"""A headless Chromium, driven over its debugging socket: just enough of WebSocket (RFC 6455) and of the protocol, from the standard
library."""
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time


def program():
    return next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


class Browser:
    def __init__(self, ns=None, width=1280, height=900, dark=False, phone=False):
        self.dir = tempfile.mkdtemp(prefix="weir-browser-")
        self.ns, self.n, self.ws = ns, 0, None
        args = ["ip", "netns", "exec", ns] if ns else []
        self.process = subprocess.Popen(args + [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                                                "--disable-background-networking", "--disable-extensions", "--remote-debugging-port=0", "--remote-allow-origins=*",
                                                "--hide-scrollbars", "--user-data-dir=" + self.dir, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        port_file = self.dir + "/DevToolsActivePort"
        end = time.time() + 40
        while not (os.path.exists(port_file) and os.path.getsize(port_file)):
            if time.time() > end or self.process.poll() is not None:
                raise RuntimeError("Chromium does not start")
            time.sleep(0.1)
        with open(port_file, encoding="ascii") as f:
            self.port = int(f.readline())
        self.connect()
        self.call("Page.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def socket(self):
        """A TCP connection to Chromium, in its namespace."""
        if not self.ns:
            return socket.create_connection(("127.0.0.1", self.port), timeout=30)
        import traffic_test as t
        s = t.sock_in(self.ns, socket.AF_INET, socket.SOCK_STREAM)
        s.settimeout(30)
        s.connect(("127.0.0.1", self.port))
        return s

    def get(self, path):
        s = self.socket()
        s.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % (path.encode(), self.port))
        data = b""
        while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < self.length(data):
            more = s.recv(1 << 16)
            if not more:
                break
            data += more
        s.close()
        return json.loads(data.split(b"\r\n\r\n", 1)[1])

    @staticmethod
    def length(data):
        for line in data.split(b"\r\n\r\n", 1)[0].lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line.split(b":")[1])
        return 1 << 30

    def connect(self):
        page = next(p for p in self.get("/json/list") if p["type"] == "page")
        self.ws = self.socket()
        path = "/" + page["webSocketDebuggerUrl"].split("/", 3)[3]
        self.ws.sendall(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
                         % (path, self.port, base64.b64encode(os.urandom(16)).decode())).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.ws.recv(1)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.ws.recv(n - len(data))
            if not more:
                raise RuntimeError("Chromium went away")
            data += more
        return data

    def receive(self):
        text = b""
        while True:
            a, b = self.exactly(2)
            size = b & 127
            if size > 125:
                size = struct.unpack(">H" if size == 126 else ">Q", self.exactly(2 if size == 126 else 8))[0]
            text += self.exactly(size)
            if a & 128 and a & 15 < 8:
                return json.loads(text)
            if a & 15 >= 8:
                text = b""

    def call(self, method, **params):
        self.n += 1
        data = json.dumps({"id": self.n, "method": method, "params": params}).encode()
        size = len(data)
        head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xfe]) + struct.pack(">H", size)
        mask = os.urandom(4)
        self.ws.sendall(head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(data)))
        while True:
            answer = self.receive()
            if answer.get("id") == self.n:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, script):
        r = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(json.dumps(r["exceptionDetails"])[:500])
        return r["result"].get("value")

    def wait(self, script, seconds=15):
        """The first value of it that is true; the last one when the time is over."""
        end = time.time() + seconds
        while True:
            got = self.value(script)
            if got or time.time() > end:
                return got
            time.sleep(0.1)

    def picture(self, path, whole=True):
        r = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        with open(path, "wb") as f:
            f.write(base64.b64decode(r["data"]))

    def close(self):
        if self.ws:
            self.ws.close()
        try:
            os.killpg(self.process.pid, 15)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
