"""Opens the HTML pages of kong.response.error, the built-in one and the template of
examples/error-page, with messages that try to break them, on a desktop and on a phone.

A message must be read as it was given, and must run nothing and add no element. The built-in page has
no style, so a word longer than the screen runs out of it; the template must hold that, too.

usage: check_pages.py BASE_URL SCREENSHOTS
"""

import pathlib
import sys
import urllib.parse

import browser

MESSAGES = {
    "short": "The key is not known here",
    "long": "The upstream server refuses what it was asked, and says why at length. " * 30,
    "long-word": "a1b2c3d4" * 100,
    "markup": "</p></body><script>window.executed = 1</script>"
    '<img src="x" onerror="window.executed = 1"><svg onload="window.executed = 1">'
    "<style>body { display: none }</style><b>bold</b> &lt;&amp;&#60; ]]> <!-- %s %d",
    "right-to-left": "المفتاح غير معروف هنا (403). המפתח אינו מוכר כאן",
    "emoji": "\u2615 no coffee \U0001f6ab \U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea \U0001f44b\U0001f3fd",
}

# The elements of a page's body, and the text of the page after the message.
PAGES = {
    "built_in": (["H1", "P", "P"], "."),
    "template": (["H1", "P", "P", "CODE"], ""),
}

MAY_OVERFLOW = {("built_in", "long-word")}


def look(driver, base, page, name):
    """What is wrong with the page for one message."""
    message = MESSAGES[name]
    elements, end = PAGES[page]
    driver.get(f"{base}/{page}?message={urllib.parse.quote(message, safe='')}")
    state = driver.execute_script(
        """
        return {
          message: document.querySelector("p").textContent,
          shown: document.querySelector("p").innerText.trim() !== "",
          elements: [...document.body.querySelectorAll("*")].map((element) => element.tagName),
          executed: typeof window.executed,
          charset: document.characterSet,
          mode: document.compatMode,
          asked: performance.getEntriesByType("resource").map((entry) => entry.name)
            .filter((name) => new URL(name).pathname !== "/favicon.ico"),
        }
        """
    )
    expected = {
        "message": message + end,
        "shown": True,
        "elements": elements,
        "executed": "undefined",
        "charset": "UTF-8",
        "mode": "CSS1Compat",
        "asked": [],
    }
    wrong = [
        f"{key} is {state[key]!r}, expected {value!r}"
        for key, value in expected.items()
        if state[key] != value
    ]
    # The console also reports the error status of the page itself.
    wrong += [line for line in browser.console(driver) if "a status of 403" not in line]
    if (page, name) not in MAY_OVERFLOW:
        wrong += [f"too wide: {what}" for what in browser.overflow(driver)]
    return wrong


def main():
    base, shots = sys.argv[1], pathlib.Path(sys.argv[2])
    shots.mkdir(parents=True, exist_ok=True)
    count = failures = 0
    for size in browser.SIZES:
        with browser.chromium(size) as driver:
            for page in PAGES:
                for name in MESSAGES:
                    count += 1
                    for wrong in look(driver, base, page, name):
                        failures += 1
                        print(f"{page}, {name}, {size}: {wrong}")
                    driver.save_screenshot(str(shots / f"error-{page}-{name}-{size}.png"))
    print(f"{count} error pages: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
