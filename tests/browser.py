# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a window, and where something is on its screen."""

from selenium import webdriver
from selenium.webdriver.common.by import By

# The screen that a reviewer may be expected to have, in pixels.
SCREEN = 1280, 800


def start(*, javascript: bool):
    """Return a browser that shows SCREEN; who starts it quits it."""
    options = webdriver.ChromeOptions()
    # Debian's chromium finds no sandbox of its own as root, and none is needed for pages that we made.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument("--window-size={},{}".format(*SCREEN))
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


class OnFirstScreen:
    """For a test case whose ``browser`` has a page open."""

    def assertOnFirstScreen(self, *words):
        """Each of the words begins on the first screen, and is not cut away by what scrolls."""
        width, height = SCREEN
        for text in words:
            found = self.browser.find_elements(By.XPATH, f"//body//*[contains(text(), '{text}')]")
            self.assertTrue(found, f"the page does not say {text!r}")
            at = self.browser.execute_script(POSITION, found[0], text)
            self.assertTrue(0 <= at["top"] and at["bottom"] <= height, (text, at))
            self.assertTrue(0 <= at["left"] and at["right"] <= width, (text, at))
        self.assertLessEqual(
            self.browser.execute_script("return document.documentElement.scrollWidth"), width
        )


# Where the words are on the screen: of an element that scrolls, only what it shows counts.
POSITION = """
const [element, words] = arguments;
const text = [...element.childNodes].find(node => node.nodeType === 3 && node.data.includes(words));
const range = document.createRange();
const start = text.data.indexOf(words);
range.setStart(text, start);
range.setEnd(text, start + words.length);
const seen = range.getBoundingClientRect();
const box = element.getBoundingClientRect();
const clips = getComputedStyle(element).overflowY !== 'visible';
return {top: seen.top, left: seen.left, right: seen.right,
        bottom: clips && seen.bottom > box.bottom ? Infinity : seen.bottom};
"""
