"""What people do on the page."""

import json
from urllib.parse import quote

from tests.gateway.asking import ORCHARD
from tests.gateway.driving import OpenPage

LINE = f"{'/'.join(ORCHARD)} 0x10b0"
INLINED = f"{'/'.join(ORCHARD)} 0x11cb"
LOST = "lost.pdb/0123456789ABCDEF0123456789ABCDEF1 0x7"
ANSWERED = "document.body.dataset.state === 'answered'"
FAILED = "document.body.dataset.state === 'failed'"


def link(gateway: str, text: str) -> str:
    return f"http://{gateway}/#{quote(text, safe='')}"


def give(page: OpenPage, text: str) -> None:
    page.run(f"byId('given').value = {json.dumps(text)}")


def ask(page: OpenPage, text: str) -> None:
    """Give a text and wait for the answer."""
    give(page, text)
    page.run("byId('ask').click()")
    page.wait(ANSWERED)


def hold_answers(page: OpenPage) -> None:
    """Hold each request until `release()` is called."""
    page.run(
        "var held = []; var asked = 0; const real = fetch;"
        "window.fetch = async (...all) => {"
        "asked += 1; await new Promise((go) => held.push(go)); return real(...all); };"
        "var release = () => held.splice(0).forEach((go) => go()); 0"
    )
