"""The page in one browser, shared by all tests."""

from collections.abc import Iterator

import pytest

from tests.gateway.driving import OpenPage, open_browser


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenPage]:
    with open_browser(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: OpenPage, gateway: str) -> OpenPage:
    """The empty page, as wide as a desktop screen."""
    browser.show(1280, "light")
    browser.go("about:blank")
    browser.console.clear()
    browser.go(f"http://{gateway}/")
    return browser
