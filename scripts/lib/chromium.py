"""A small client of the Chrome DevTools Protocol: runs Chromium without a window, and drives its pages.

Browser starts Debian's `chromium` and talks to it over a pair of pipes, which are the descriptors 3 and 4 of Chromium. Each
message is a JSON object followed by a zero byte. Every wait has a deadline. Python's standard library only.
"""

import base64
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

# Seconds for the answer to one command.
PATIENCE = 30

FLAGS = [
    "--headless=new", "--remote-debugging-pipe", "--window-size=1280,800", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-breakpad", "--disable-component-update", "--disable-default-apps",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-features=MediaRouter,OptimizationHints,Translate",
    "--disable-gpu", "--disable-sync", "--force-color-profile=srgb", "--lang=en-US", "--mute-audio", "--no-proxy-server",
    "--password-store=basic",
]

# For each key with a name: its code, the number that Windows gives it, and the text that it types.
KEYS = {
    "Backspace": ("Backspace", 8, ""), "Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "), "End": ("End", 35, ""), "Home": ("Home", 36, ""), "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""), "ArrowRight": ("ArrowRight", 39, ""), "ArrowDown": ("ArrowDown", 40, ""),
}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


class BrowserError(Exception):
    """A command that failed, an exception in the page, or a wait that took too long."""


class Browser:
    """A Chromium process with an empty profile in a temporary directory."""

    def __init__(self, program="chromium"):
        self._answers, self._pages, self._number = {}, {}, 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._profile = tempfile.TemporaryDirectory(prefix="tandem-chromium.", ignore_cleanup_errors=True)
        # The root user has no sandbox.
        flags = FLAGS + [f"--user-data-dir={self._profile.name}"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
        ours, theirs = self._pipes()
        with open(f"{self._profile.name}/stderr", "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}', program, *flags, "about:blank"],
                pass_fds=theirs, env=os.environ | {"HOME": self._profile.name}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )
        for descriptor in theirs:
            os.close(descriptor)
        self._input, self._output = os.fdopen(ours[0], "rb", 0), os.fdopen(ours[1], "wb", 0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.version = self.command("Browser.getVersion")["product"]
        except BrowserError as error:
            said = pathlib.Path(self._profile.name, "stderr").read_text(encoding="utf-8", errors="replace")
            self.close()
            raise BrowserError(f"{program} did not start: {error}\n{said[-2000:]}") from error

    @staticmethod
    def _pipes():
        """Returns our two ends (to read, to write), then Chromium's, whose numbers are not those that they get there."""
        (their_input, our_output), (our_input, their_output) = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (their_input, their_output)]
        os.close(their_input)
        os.close(their_output)
        return (our_input, our_output), tuple(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends Chromium and its children, and deletes the profile. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self.command("Browser.close", seconds=5)
            self.process.wait(5)
        except (BrowserError, subprocess.TimeoutExpired):
            pass
        # Chromium leads a session and group of its own, so this reaches the children that outlive it.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._reader.join(5)
        self._output.close()
        self._input.close()
        self._profile.cleanup()

    def command(self, method, parameters=None, session=None, seconds=PATIENCE):
        """Sends a command, and returns the result."""
        number = self.post(method, parameters, session)
        end = time.monotonic() + seconds
        with self._changed:
            while number not in self._answers:
                if not self._changed.wait(max(end - time.monotonic(), 0)) and number not in self._answers:
                    raise BrowserError(f"{method}: no answer after {seconds} s")
            answer = self._answers.pop(number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def post(self, method, parameters=None, session=None):
        """Sends a command without waiting for its result. Returns the command's number."""
        with self._changed:
            self._number += 1
            message = {"id": self._number, "method": method, "params": parameters or {}}
            if session:
                message["sessionId"] = session
            try:
                self._output.write(json.dumps(message).encode() + b"\0")
            except OSError as error:
                raise BrowserError(f"{method}: Chromium has ended") from error
            return self._number

    def _read(self):
        rest = b""
        while piece := self._input.read(1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in map(json.loads, messages):
                with self._changed:
                    page = self._pages.get(message.get("sessionId"))
                    if "id" in message:
                        self._answers[message["id"]] = message
                        self._changed.notify_all()
                if page and "method" in message:
                    page.record.add(message["method"], message["params"])
        with self._changed:
            for number in range(1, self._number + 1):
                self._answers.setdefault(number, {"error": {"message": "Chromium has ended"}})
            self._changed.notify_all()

    def page(self, **options):
        """Opens a page, and returns it. The options are those of Page."""
        return Page(self, **options)

    def attach(self, target, page):
        """Returns the session of a target. Its events go to the page."""
        session = self.command("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        with self._changed:
            self._pages[session] = page
        return session


class Record:
    """What has happened in a page. Each list only grows."""

    def __init__(self, page, password):
        self.console, self.exceptions, self.log, self.issues, self.dialogs, self.downloads = [], [], [], [], [], []
        # By id: url, method, type, and once they are known status, error and whether the page ended the request itself.
        self.requests = {}
        self._page, self._password = page, password

    def add(self, event, values):
        """Takes an event. Runs on the reader's thread, and must not wait."""
        request = self.requests.get(values.get("requestId"))
        if event == "Runtime.consoleAPICalled":
            texts = [str(argument.get("value", argument.get("description", ""))) for argument in values["args"]]
            self.console.append(f"{values['type']}: {' '.join(texts)}")
        elif event == "Runtime.exceptionThrown":
            self.exceptions.append(exception_text(values["exceptionDetails"]))
        elif event == "Log.entryAdded":
            entry = values["entry"]
            self.log.append(f"{entry['source']} {entry['level']}: {entry['text']} {entry.get('url', '')}".strip())
        elif event == "Audits.issueAdded":
            self.issues.append(values["issue"])
        elif event == "Page.javascriptDialogOpening":
            self.dialogs.append(values["message"])
            self._page.post("Page.handleJavaScriptDialog", {"accept": False})
        elif event == "Page.downloadWillBegin":
            self.downloads.append(values["url"])
        elif event == "Network.requestWillBeSent":
            self.requests[values["requestId"]] = {
                "url": values["request"]["url"], "method": values["request"]["method"], "type": values.get("type", "")}
        elif event == "Network.webSocketCreated":
            self.requests[values["requestId"]] = {"url": values["url"], "method": "GET", "type": "WebSocket"}
        elif event == "Network.responseReceived" and request:
            request["status"] = values["response"]["status"]
        elif event == "Network.loadingFinished" and request:
            request["ended"] = True
        elif event == "Network.loadingFailed" and request:
            request |= {"ended": True, "error": values["errorText"], "canceled": values.get("canceled", False)}
        elif event == "Fetch.requestPaused":
            self._page.post("Fetch.continueRequest", {"requestId": values["requestId"]})
        elif event == "Fetch.authRequired":
            answer = {"response": "ProvideCredentials", "username": self._password[0], "password": self._password[1]}
            self._page.post("Fetch.continueWithAuth", {"requestId": values["requestId"], "authChallengeResponse": answer})

    @property
    def csp(self):
        """The reports of the content security policy."""
        reports = []
        for issue in self.issues:
            if details := issue["details"].get("contentSecurityPolicyIssueDetails"):
                kind, url = details["contentSecurityPolicyViolationType"], details.get("blockedURL", "")
                reports.append(f"{details['violatedDirective']} {kind} {url}".strip())
        return reports

    @property
    def failures(self):
        """The requests that failed, or were answered by a status of 400 or more. One that the page itself ended has not failed."""
        own = (None, "net::ERR_ABORTED")
        return [
            request for request in list(self.requests.values())
            if request.get("status", 0) >= 400 or (request.get("error") not in own and not request["canceled"])
        ]


class Page:
    """A tab. `password` is a pair of user name and password for servers that ask; `script` runs at the start of each document."""

    def __init__(self, browser, password=None, script=None):
        self.browser = browser
        self.record = Record(self, password)
        self._target = browser.command("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = browser.attach(self._target, self)
        self._cover = None
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.command(f"{domain}.enable")
        if password:
            self.command("Fetch.enable", {"handleAuthRequests": True})
        if script:
            self.command("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.close()
        except BrowserError:
            pass

    def close(self):
        self.show()
        self.browser.command("Target.closeTarget", {"targetId": self._target})

    def command(self, method, parameters=None, seconds=PATIENCE):
        return self.browser.command(method, parameters, self._session, seconds)

    def post(self, method, parameters=None):
        self.browser.post(method, parameters, self._session)

    def navigate(self, url, seconds=PATIENCE):
        """Loads a document, and waits until it and its scripts have been loaded."""
        end = time.monotonic() + seconds
        error = self.command("Page.navigate", {"url": url}, seconds).get("errorText")
        if error:
            raise BrowserError(f"{url}: {error}")
        self.wait_until("document.readyState == 'complete' && location.href != 'about:blank'", end - time.monotonic())

    def evaluate(self, expression, seconds=PATIENCE):
        """Returns the value of a JavaScript expression, or the value that its promise resolves to. Raises what it throws."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.command("Runtime.evaluate", {"expression": expression} | options, seconds)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{exception_text(answer['exceptionDetails'])} in {expression[:200]}")
        return answer["result"].get("value")

    def wait_until(self, expression, seconds, why=""):
        """Waits until an expression is true, and returns its value, of an element just true. One that throws is not true yet."""
        expression, text = f"(found => found instanceof Node || found)({expression})", expression
        end = time.monotonic() + seconds
        while True:
            try:
                found = self.evaluate(expression, max(end - time.monotonic(), 1))
            except BrowserError as error:
                found, last = None, str(error)
            else:
                last = repr(found)
            if found:
                return found
            if time.monotonic() > end:
                raise BrowserError(f"{why or text}: not true after {seconds:.3g} s, last {last}")
            time.sleep(0.05)

    def press(self, key):
        """Presses and releases a key: a character, or a name of KEYS, after modifiers such as "Shift+"."""
        *modifiers, key = key.split("+") if len(key) > 1 else [key]
        if key in KEYS:
            code, number, text = KEYS[key]
        else:
            code = f"Digit{key}" if key.isdigit() else f"Key{key.upper()}" if key.isalpha() else ""
            number, text = ord(key.upper()) if key.isalnum() else 0, key
        event = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        event["modifiers"] = sum(MODIFIERS[modifier] for modifier in modifiers)
        typed = {"text": text} if text and not {"Alt", "Control", "Meta"} & set(modifiers) else {}
        self.command("Input.dispatchKeyEvent", event | typed | {"type": "keyDown" if typed else "rawKeyDown"})
        self.command("Input.dispatchKeyEvent", event | {"type": "keyUp"})

    def type(self, text):
        for character in text:
            self.press(character)

    def screenshot(self, path):
        """Writes what the window shows as a PNG."""
        image = self.command("Page.captureScreenshot", {"format": "png"})["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(image))

    def emulate(self, scheme="light", reduced_motion=False):
        """Sets the color scheme, "light" or "dark", and whether the user wants less motion."""
        motion = "reduce" if reduced_motion else "no-preference"
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def resize(self, width, height):
        """Sets the size of the window's contents in CSS pixels."""
        size = {"width": width, "height": height}
        self.command("Emulation.setDeviceMetricsOverride", size | {"deviceScaleFactor": 1, "mobile": False})

    def hide(self):
        """Covers the tab with another one of the same window, and waits until its document is hidden."""
        self._cover = self.browser.command("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.browser.command("Target.activateTarget", {"targetId": self._cover})
        self.wait_until("document.visibilityState == 'hidden'", 5)

    def show(self):
        """Undoes `hide`."""
        if self._cover:
            self.browser.command("Target.activateTarget", {"targetId": self._target})
            self.browser.command("Target.closeTarget", {"targetId": self._cover})
            self._cover = None
            self.wait_until("document.visibilityState == 'visible'", 5)

    def heap(self):
        """Collects garbage, and returns the bytes of the JavaScript heap that are in use."""
        self.command("HeapProfiler.collectGarbage")
        return self.command("Runtime.getHeapUsage")["usedSize"]

    def counters(self):
        """Returns the numbers of documents, nodes and event listeners, also of those that garbage collection has not found yet."""
        return self.command("Memory.getDOMCounters")


def exception_text(details):
    """Returns the text of an exception, with the line and the column of its place."""
    text = details.get("exception", {}).get("description") or details.get("exception", {}).get("value") or details["text"]
    return f"{text} at {details['lineNumber'] + 1}:{details['columnNumber'] + 1}"
