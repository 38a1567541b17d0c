"""Small things that the whole page shares: tables as files, and what the browser keeps."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.test_dice import empty_page_at

FORMULAS = ['=HYPERLINK("http://x.test";"all")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\n =1+1", "＝1+1"]
TEXTS = ["ROMEO:\nAy me", 'Say "I" - or, no', "a;=1+1", "", "-", "=", "'quoted'"]
NUMBERS: list[Any] = [-1.5, 0, 1e-7, "-0.2500", "+3", "-1e-5", None]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with empty_page_at(browser) as page:
        yield page


def test_no_text_in_a_table_is_a_formula(page: Page) -> None:
    script = "async (rows) => (await import('/shared/csv.js')).toCSV(['=1+1', 'text'], rows)"
    table = page.evaluate(script, [[text, "x"] for text in FORMULAS + TEXTS + NUMBERS])
    rows = [*csv.reader(io.StringIO(table, newline=""))]
    assert rows[0] == ["'=1+1", "text"]
    assert [row[0] for row in rows[1:]] == [
        *(f"'{text}" for text in FORMULAS),
        *TEXTS,
        *("-1.5", "0", "1e-7", "-0.2500", "+3", "-1e-5", ""),
    ]
    assert '"a;=1+1"' in table  # also where a semicolon stands between cells


def test_what_cannot_be_kept_is_as_if_it_had_never_been_there(page: Page) -> None:
    told = page.evaluate(
        """async () => {
          const { inBrowser, inTab } = await import('/shared/storage.js');
          const kept = inBrowser.keepJSON('x', { a: [1] });
          localStorage.setItem('odd', '{"a":');
          const open = [kept, inBrowser.getJSON('x'), inTab.getJSON('x'), inBrowser.get('none'), inBrowser.getJSON('odd')];
          const forgotten = [inBrowser.keepJSON('x', null), localStorage.getItem('x')];
          const full = inBrowser.keep('large', 'x'.repeat(2e7));
          const blocked = { get: () => { throw new DOMException('', 'SecurityError'); } };
          for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, blocked);
          return { open, forgotten, full, blocked: [inBrowser.keep('x', 'y'), inBrowser.get('x'), inTab.getJSON('x')] };
        }"""
    )
    assert told["open"] == [True, {"a": [1]}, None, "", None]
    assert told["forgotten"] == [True, None]
    assert told["full"] is False
    assert told["blocked"] == [False, "", None]
