"""Opens every page of build/docs from its file, on a desktop and on a phone.

It checks that:

* the console stays empty, and no page asks a network for anything
* every link leads somewhere
* nothing is wider than the page, and wide code shows that it continues
* links have enough contrast in every theme
* the search finds every function

Screenshots go to the folder given.

usage: check_site.py SITE SCREENSHOTS
"""

import pathlib
import sys
import urllib.parse

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import browser

FUNCTIONS = (
    "get_status get_header get_headers get_source set_status set_header add_header clear_header"
    " set_headers get_raw_body set_raw_body exit error"
).split()

# Searches of readers, and the page that each must find.
SEARCHES = {
    **{name: f"docs/functions/{name}.html" for name in FUNCTIONS},
    **{f"kong.response.{name}": f"docs/functions/{name}.html" for name in FUNCTIONS},
    "KONG_PHASE": "docs/phases.html",
    "error_templates": "docs/options.html",
    "testing.run": "docs/testing.html",
    "lifecycle": "docs/lifecycle.html",
}

# Pages with code in these languages, and a class that only highlighted code has.
COLOURED = {
    "docs/nginx.html": "code.language-nginx .hljs-attribute, code.language-nginx .hljs-section",
    "docs/functions/exit.html": "code.language-lua .hljs-keyword",
    "docs/error-documents.html": "code.language-html .hljs-tag",
}

SHOTS = [
    "index.html",
    "docs/first-plugin.html",
    "docs/examples.html",
    "examples/cors/README.html",
    "docs/functions.html",
    "docs/functions/exit.html",
    "docs/phases.html",
    "docs/error-documents.html",
    "docs/testing.html",
    "docs/decisions.html",
]


class Site:
    def __init__(self, root):
        self.root = root
        self.pages = sorted(root.rglob("*.html"))
        self.ids = {}
        self.links = {}
        self.failures = []

    def fail(self, page, size, what):
        self.failures.append(f"{page.relative_to(self.root)}, {size}: {what}")

    def visit(self, driver, size, page):
        driver.get(page.as_uri())
        for line in browser.console(driver):
            self.fail(page, size, line)
        for url in driver.execute_script(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        ):
            if not url.startswith(("file:", "data:")):
                self.fail(page, size, f"asks for {url}")
        for what in browser.overflow(driver)[:5]:
            self.fail(page, size, f"too wide: {what}")
        coloured = COLOURED.get(str(page.relative_to(self.root)))
        if coloured and not driver.find_elements(By.CSS_SELECTOR, coloured):
            self.fail(page, size, f"no colour: {coloured}")
        self.ids[page] = set(
            driver.execute_script(
                "return [...document.querySelectorAll('[id]')].map((element) => element.id)"
            )
        )
        self.links[page] = driver.execute_script(
            """
            return [...document.querySelectorAll("a[href], link[href], script[src], img[src]")]
              .map((element) => element.href || element.src)
            """
        )

    def check_links(self):
        """Every link to a file, and to a place in it; returns how many there are."""
        count = 0
        for page, links in self.links.items():
            for link in links:
                url = urllib.parse.urlsplit(link)
                if url.scheme != "file":
                    continue
                count += 1
                target = pathlib.Path(urllib.parse.unquote(url.path))
                place = urllib.parse.unquote(url.fragment)
                if not target.is_file() or self.root not in target.parents:
                    self.fail(page, "links", f"{link} leads to no file of the site")
                elif place and target in self.ids and place not in self.ids[target]:
                    self.fail(page, "links", f"{link} leads to no place on the page")
        return count

    def check_menu(self, driver):
        """In the menu, the examples stand below the chapter that lists them."""
        driver.get((self.root / "index.html").as_uri())
        above = driver.execute_script(
            """
            return [...document.querySelectorAll("#mdbook-sidebar ol a[href*='examples/']")]
              .map((link) => link.closest("ol").closest("li")?.querySelector("a").href ?? "nothing")
            """
        )
        page = self.root / "index.html"
        if not above:
            self.fail(page, "menu", "no examples")
        for href in sorted(set(above) - {(self.root / "docs/examples.html").as_uri()}):
            self.fail(page, "menu", f"examples below {href}")

    def check_contrast(self, driver):
        """In every theme, links have the contrast that WCAG 2 asks for: 4.5 to 1."""
        page = self.root / "docs/functions/exit.html"
        driver.get(page.as_uri())
        for theme in ("light", "rust", "coal", "navy", "ayu"):
            for text, ratio in browser.link_contrasts(driver, theme):
                if ratio < 4.5:
                    self.fail(page, theme, f"the link {text} has a contrast of {ratio:.2f}")

    def check_dark(self, driver, shots):
        """Who prefers a dark page gets one."""
        browser.prefer_dark(driver)
        page = self.root / "docs/functions/exit.html"
        driver.get(page.as_uri())
        theme = driver.execute_script("return document.documentElement.className")
        if "navy" not in theme.split():
            self.fail(page, "dark", f"the theme is {theme}")
        driver.save_screenshot(str(shots / "dark.png"))

    def check_wide_code(self, driver, shots):
        """Code that is wider than a phone shows at its edge that it continues."""
        wide = 0
        for page in self.pages:
            driver.get(page.as_uri())
            for code in browser.wide_code(driver):
                wide += 1
                if not code["shadow"]:
                    self.fail(page, "phone", f"no shadow on {code['text']}")
                elif wide == 1:
                    driver.execute_script("document.querySelector('.wide').scrollIntoView()")
                    driver.save_screenshot(str(shots / "wide-code.png"))
        if wide == 0:
            self.fail(page, "phone", "no wide code")

    def search(self, driver, size):
        """Types into the search box; the page looked for has to be among the first five."""
        for words, wanted in SEARCHES.items():
            page = self.root / "index.html"
            driver.get(page.as_uri())
            driver.find_element(By.ID, "mdbook-search-toggle").click()
            box = driver.find_element(By.ID, "mdbook-searchbar")
            box.send_keys(words)
            try:
                WebDriverWait(driver, 10).until(
                    lambda found: found.find_elements(By.CSS_SELECTOR, "#mdbook-searchresults a")
                )
            except Exception:  # selenium's time-out; the message below says more
                pass
            hrefs = [
                urllib.parse.urlsplit(link.get_attribute("href")).path
                for link in driver.find_elements(By.CSS_SELECTOR, "#mdbook-searchresults a")
            ]
            if str(self.root / wanted) not in hrefs[:5]:
                found = ", ".join(href.rsplit("/", 1)[-1] for href in hrefs[:5]) or "nothing"
                self.fail(page, size, f"the search for {words} finds {found}, not {wanted}")
            for line in browser.console(driver):
                self.fail(page, size, f"searching {words}: {line}")


def main():
    site = Site(pathlib.Path(sys.argv[1]).resolve())
    shots = pathlib.Path(sys.argv[2])
    shots.mkdir(parents=True, exist_ok=True)
    links = 0
    for size in browser.SIZES:
        with browser.chromium(size) as driver:
            for page in site.pages:
                site.visit(driver, size, page)
            links += site.check_links()
            site.check_menu(driver)
            if size == "phone":
                site.check_wide_code(driver, shots)
            else:
                site.check_contrast(driver)
            site.search(driver, size)
            driver.save_screenshot(str(shots / f"search-{size}.png"))
            for name in SHOTS:
                driver.get((site.root / name).as_uri())
                driver.save_screenshot(str(shots / f"{name.replace('/', '-')[:-5]}-{size}.png"))
    with browser.chromium("desktop") as driver:
        site.check_dark(driver, shots)
    for failure in site.failures:
        print(failure)
    print(
        f"{len(site.pages)} pages on {len(browser.SIZES)} sizes, {links} links,"
        f" {len(SEARCHES)} searches each: {len(site.failures)} failures"
    )
    print(f"screenshots: {shots}")
    return 1 if site.failures or not site.pages else 0


if __name__ == "__main__":
    sys.exit(main())
