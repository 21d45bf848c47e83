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

# A new profile that makes no requests to the network.
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


# The elements that may be wider than the page, because they scroll: code and tables.
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


def prefer_dark(driver):
    """The next pages see a reader who prefers dark pages."""
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def link_contrasts(driver, theme):
    """The links of the page's text, each with its contrast to what is behind it, in a theme of mdBook."""
    return driver.execute_script(
        """
        document.documentElement.className = `${arguments[0]} js`;
        const parts = (color) => color.match(/[\\d.]+/g).map(Number);
        const luminance = (color) => {
          const [r, g, b] = parts(color).map((part) => part / 255)
            .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const background = (element) => {
          for (; element; element = element.parentElement) {
            const color = getComputedStyle(element).backgroundColor;
            if (parts(color)[3] !== 0) return color;
          }
          return "rgb(255, 255, 255)";
        };
        return [...document.querySelectorAll("main a[href], main a[href] > code")]
          .filter((link) => !link.matches(".header"))
          .map((link) => {
            const both = [getComputedStyle(link).color, background(link)].map(luminance);
            return [link.textContent, (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05)];
          });
        """,
        theme,
    )


def wide_code(driver):
    """The code of the page that is wider than its place, and whether its edges have shadows."""
    return driver.execute_script(
        """
        return [...document.querySelectorAll("main pre > code")]
          .filter((code) => code.scrollWidth > code.clientWidth + 1)
          .map((code) => {
            code.classList.add("wide");
            const style = getComputedStyle(code);
            const moving = style.backgroundAttachment.split(", ");
            return {
              text: code.textContent.slice(0, 60),
              shadow: style.backgroundImage.includes("linear-gradient")
                && moving.includes("local") && moving.includes("scroll"),
            };
          });
        """
    )
