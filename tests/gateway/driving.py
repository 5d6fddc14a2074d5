"""A page in a real browser, driven by the Chrome DevTools Protocol."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.gateway.browsing import CHROMIUM, FLAGS

_OURS = [flag for flag in FLAGS if flag.startswith("--") and "budget" not in flag]
_HEADLESS = [flag for flag in _OURS if flag != "--dump-dom"]
_FROM_US, _TO_US = 3, 4
"""The descriptors that a browser with --remote-debugging-pipe reads and writes."""


class OpenPage:
    """One page. Its messages are read only while a call waits for its result."""

    def __init__(self, commands: int, answers: int) -> None:
        """Send and receive by these descriptors."""
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._received = b""
        self._last = 0
        self._session: str | None = None
        self.console: list[str] = []
        """Console messages of the browser, and uncaught errors."""

        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def go(self, url: str) -> None:
        """Open `url`; return when it has loaded."""
        self.call("Page.navigate", url=url)
        where = json.dumps(url.partition("#")[0])
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({where})")

    def run(self, script: str) -> Any:
        """Return the value of a script; a promise is awaited."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a script is true."""
        self.run(
            "new Promise((done) => { const look = () => "
            f"({condition}) ? done() : setTimeout(look, 10); look(); }})"
        )

    def show(self, width: int, scheme: str) -> None:
        """Set the width in pixels, and the light or dark scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def picture(self) -> bytes:
        """Return a screenshot of the whole page as PNG."""
        whole = {**self.call("Page.getLayoutMetrics")["cssContentSize"], "scale": 1}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=whole)
        return base64.b64decode(taken["data"])

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Call a method of the browser; return its result."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._last:
                assert "error" not in message, message
                result: Mapping[str, Any] = message["result"]
                return result
            self._note(message)

    def close(self) -> None:
        """Close the pipes to the browser."""
        self._commands.close()
        self._answers.close()

    def _read(self) -> Mapping[str, Any]:
        while b"\0" not in self._received:
            part = self._answers.read(1 << 16)
            assert part, "the browser has ended"
            self._received += part
        text, _, self._received = self._received.partition(b"\0")
        message: Mapping[str, Any] = json.loads(text)
        return message

    def _note(self, message: Mapping[str, Any]) -> None:
        told = message.get("params", {})
        if message.get("method") == "Log.entryAdded":
            self.console.append(told["entry"]["text"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.console.append(json.dumps(told["exceptionDetails"]))


@contextmanager
def open_browser(profile: Path) -> Iterator[OpenPage]:
    """Yield an empty page; the browser ends with the context."""
    assert CHROMIUM is not None
    their_input, commands = os.pipe()
    answers, their_output = os.pipe()
    # A shell moves the descriptors to the numbers that the browser uses.
    place = f'exec {_FROM_US}<&{their_input} {_TO_US}>&{their_output}; exec "$@"'
    arguments = [*_HEADLESS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    with subprocess.Popen(
        ["bash", "-c", place, "bash", CHROMIUM, *arguments],
        pass_fds=(their_input, their_output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as browser:
        os.close(their_input)
        os.close(their_output)
        try:
            page = OpenPage(commands, answers)
            yield page
            page.close()
        finally:
            browser.terminate()
