"""Chromium without a window, on a desktop or a phone, as the checks of pages use it."""

import contextlib
import os
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SIZES = {
    "desktop": (1280, 900),
    "phone": (360, 740),
}

# A fresh profile that asks nobody on the network for anything.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium(size):
    """A driver of Chromium in the size of SIZES; the browser ends with the block."""
    width, height = SIZES[size]
    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        options.binary_location = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={profile}")
        options.add_argument(f"--window-size={width},{height}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if size == "phone":
            metrics = {"width": width, "height": height, "pixelRatio": 2.0, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        driver = webdriver.Chrome(
            options=options,
            service=Service(os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver")),
        )
        driver.set_page_load_timeout(30)
        try:
            yield driver
        finally:
            driver.quit()


# What may be wider than its place, and is scrolled there: code and tables.
SCROLLED = "pre, pre *, .table-wrapper"


def overflow(driver):
    """The elements that hold something wider than themselves, the page among them."""
    return driver.execute_script(
        """
        const root = document.documentElement;
        const holds = (element) => element === root || element.clientWidth > 0
          && getComputedStyle(element).overflowX !== "visible" && !element.matches(arguments[0]);
        return [root, ...document.querySelectorAll("body *")]
          .filter((element) => holds(element) && element.scrollWidth > element.clientWidth + 1)
          .map((element) => `${element.tagName.toLowerCase()}.${element.className} is`
            + ` ${element.clientWidth} wide, and what is in it ${element.scrollWidth}`);
        """,
        SCROLLED,
    )


def console(driver):
    """The lines of the console since the last call."""
    return [f"{line['level']}: {line['message']}" for line in driver.get_log("browser")]
