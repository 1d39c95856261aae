"""Checks of the page of the dashboard by itself: names, colors, motion, keys, widths, memory. scripts/check/dashboard runs them."""

import contextlib
import json
import pathlib
import statistics
import time

import dashboard_load
import dashboard_proxy
from dashboard_run import STATUS, TABS, TICK, check, equal, expect, fill, select, wait_for_status

# The elements that a keyboard must reach.
CONTROLS = """
    $all('a[href], button, input, select, textarea, summary, [tabindex="0"]').filter(element =>
        element.checkVisibility({visibilityProperty: true}) && !element.disabled)
    """
DESCRIBE = "(e => e.tagName.toLowerCase() + (e.id && '#' + e.id) + ' ' + (e.ariaLabel ?? e.textContent.trim()).slice(0, 40))"
PICTURE = "$one('#timeline-canvas').toDataURL()"
# KiB by which the heap may grow after a minute, once and per minute: compiled code and caches that fill late. In ten minutes the
# heap grew from 1028 to 1081 KiB. A page that keeps what the server sends grows by more than 240 KiB per minute.
SLACK, SLACK_PER_MINUTE = 128, 16


@check()
def names(run):
    """Markup in the names that the server sends is shown as text."""
    if run.daemon:
        run.daemon.send("/blocking/sleep?ms=30000")
    with dashboard_proxy.proxy(run.url) as url, run.page(url=url) as page:
        for tab in TABS:
            fill(page, tab)
            shows_markup(page, f"#{tab}")
            if tab == "migration":
                shows_markup(page, "#differences")
            elif tab == "waiting":
                open_stack(page)
                shows_markup(page, "#stack")
                page.press("Escape")
        expect(not page.record.dialogs, f"dialogs were opened: {page.record.dialogs}")


def shows_markup(page, selector):
    page.wait_until(f"$one('{selector}').innerText.includes('<img src=x')", 3, f"{selector} shows the markup")
    found = page.evaluate("$all('img, [onerror], body script ~ script').map(element => element.outerHTML)")
    equal(f"elements that the markup has created in {selector}", [], found)


def open_stack(page):
    """Opens the first group of green threads that sleep, and the stack of its first member."""
    group = """
        $all('#groups tbody tr').find(row =>
            row.querySelector('[data-field=what]').textContent.includes('sleep')
            && row.querySelector('[data-field=style]').textContent == 'blocking')
        """
    page.wait_until(group, 4, "#groups has green threads that sleep")
    page.evaluate(f"({group}).querySelector('button').click()")
    page.wait_until("$one('#rows tbody tr')", 4, "#rows has members")
    page.evaluate("$one('#rows tbody tr button').click()")
    page.wait_until("$one('#stack').open && $one('#stack-frames li')", 4, "#stack has frames")


@check()
def scheme(run):
    """The page is light or dark as the user wants, and follows a change."""
    brightness = """
        ['backgroundColor', 'color'].map(property => getComputedStyle(document.body)[property]
            .match(/[\\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765)
        """
    with run.page() as page:
        for name in ("light", "dark", "light"):
            page.emulate(name)
            paper, ink = page.evaluate(brightness)
            expect((paper > 0.6) == (name == "light"), f"{name}: the background's brightness is {paper:.2f}")
            expect((ink < 0.5) == (name == "light"), f"{name}: the text's brightness is {ink:.2f}")


@check()
def motion(run):
    """For users who want less motion, the timeline moves once per second instead of four times, and nothing is animated."""
    moves = f"""
        new Promise(resolve => {{
            let last = {PICTURE}, moves = 0;
            const timer = setInterval(() => {{ const now = {PICTURE}; moves += now != last; last = now }}, 50);
            setTimeout(() => {{ clearInterval(timer); resolve(moves) }}, 3000);
        }})
        """
    with run.page() as page:
        fill(page, "timeline")
        count = page.evaluate(moves)
        expect(count >= 6, f"the timeline has moved {count} times in 3 s")
        page.emulate(reduced_motion=True)
        count = page.evaluate(moves)
        expect(1 <= count <= 4, f"with reduced motion the timeline has moved {count} times in 3 s")
        running = "document.getAnimations().filter(animation => animation.playState == 'running').length"
        equal("animations with reduced motion", 0, page.evaluate(running))


@check()
def keyboard(run):
    """The page needs no mouse: Tab reaches each control and shows where it is, and the keys do what the help says."""
    with run.page() as page:
        for number, tab in enumerate(TABS, 1):
            page.press(str(number))
            page.wait_until(f"$all('nav [aria-current=page]').map(link => link.hash) == '#{tab}'", 2, f"{number} selects {tab}")
            fill(page, tab)
        page.evaluate("history.back()")
        page.wait_until(f"location.hash == '#{TABS[-2]}'", 2, "back returns to the tab before")
        page.press("p")
        wait_for_status(page, "paused", 2)
        for tab in TABS:
            fill(page, tab)
            walk(page, tab)
        check_help(page)
        check_timeline_keys(page)
        page.press("p")
        wait_for_status(page, "live", 3)
        page.press("/")
        page.wait_until("location.hash == '#waiting' && document.activeElement.id == 'filter'", 2, "/ selects the filter")
        page.type("p1")
        found = page.evaluate(f"[document.activeElement.value, location.hash, {STATUS}]")
        equal("the filter, into which p1 was typed, the tab, and the status", ["p1", "#waiting", "live"], found)


def walk(page, tab):
    """Presses Tab until the focus has been everywhere."""
    # Begins at the first control.
    page.evaluate(f"window.controls = {CONTROLS}; controls[0].focus(); controls[0].blur(); controls.length")
    count = page.evaluate("controls.length")
    reached = set()
    for _ in range(count + 5):
        page.press("Tab")
        index, outline, shadow, element = page.evaluate(f"""
            ((element, style) => [controls.indexOf(element), style.outlineStyle == 'none' ? 0 : parseFloat(style.outlineWidth),
                style.boxShadow, {DESCRIBE}(element)])(document.activeElement, getComputedStyle(document.activeElement))
            """)
        expect(index < 0 or outline >= 1 or shadow != "none", f"{tab}: the focus on {element} is not visible")
        reached.add(index)
    missed = page.evaluate(f"controls.filter((_, index) => !{sorted(reached)}.includes(index)).map({DESCRIBE})")
    equal(f"{tab}: controls of {count} that Tab does not reach", [], missed)


def check_help(page):
    for key in ("Escape", "Enter"):
        page.press("?")
        page.wait_until("$one('#help').open", 2, "? opens #help")
        if key == "Enter":
            page.evaluate("$one('#help form button').focus()")
        page.press(key)
        page.wait_until("!$one('#help').open", 2, f"{key} closes #help")


def check_timeline_keys(page):
    """While the page is paused, only keys change the timeline."""
    select(page, "timeline")
    page.evaluate("document.activeElement.blur()")
    still = page.evaluate(PICTURE)
    time.sleep(TICK)
    expect(still == page.evaluate(PICTURE), "the timeline moves while the page is paused")
    for key in ("ArrowLeft", "+", "-", "ArrowRight"):
        before = json.dumps(page.evaluate(PICTURE))
        page.press(key)
        page.wait_until(f"{PICTURE} != {before}", 2, f"{key} changes the timeline")
    page.browser.command("Browser.setDownloadBehavior", {"behavior": "deny"})
    page.press("e")
    end = time.monotonic() + 10
    while not page.record.downloads and time.monotonic() < end:
        time.sleep(0.1)
    expect(any("/debug/trace?seconds=" in url for url in page.record.downloads), f"e downloads {page.record.downloads}")


@check()
def switching(run):
    """Whoever goes through the tabs quickly does not use up the places of viewers, of which each tab takes one."""
    with run.page() as page:
        for _ in range(4):
            for number in range(1, len(TABS) + 1):
                page.press(str(number))
                time.sleep(0.05)
        fill(page, TABS[0])
        wait_for_status(page, "live", 3)


@check()
def accessibility(run):
    """axe-core finds no violation in any tab or dialog, in light and dark."""
    axe = pathlib.Path(run.options.axe).read_text(encoding="utf-8")
    look = """
        axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(violation =>
            violation.id + ': ' + violation.help + ': '
            + violation.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')))
        """
    violations = []
    with run.page() as page:
        page.evaluate(f"{axe}; true")
        for name in ("light", "dark"):
            page.emulate(name)
            for tab in TABS:
                fill(page, tab)
                violations += [f"{tab}, {name}: {violation}" for violation in page.evaluate(look)]
            page.press("?")
            violations += [f"help, {name}: {violation}" for violation in page.evaluate(look)]
            page.press("Escape")
    expect(not violations, "axe-core finds:\n    " + "\n    ".join(violations))


@check()
def narrow(run):
    """On a telephone, and on a desktop at 200 %, no tab is wider than the window. Its tables scroll by themselves."""
    with run.page() as page:
        for width in (375, 640):
            page.resize(width, 800)
            for tab in TABS:
                fill(page, tab)
                found = page.evaluate("document.documentElement.scrollWidth")
                if found > width:
                    wide = page.evaluate(f"""
                        $all('body *').filter(e => e.getBoundingClientRect().right > {width + 1} && !e.closest('.scroll'))
                            .slice(0, 5).map({DESCRIBE})
                        """)
                    expect(False, f"{tab} is {found} px wide in a window of {width} px: {wide}")


@check()
def heap(run):
    """The memory of a page that is watched stays flat.

    The page keeps a minute of history, so it grows that long. Then each event replaces an old one.
    """
    minutes = run.options.minutes
    with run.page() as page:
        fill(page, "timeline")
        time.sleep(65)
        heaps, nodes = [], []
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            heaps.append(page.heap() / 1024)
            nodes.append(page.counters()["nodes"])
            time.sleep(min(5, max(end - time.monotonic(), 0)))
    part = max(len(heaps) // 4, 1)
    growth = statistics.median(heaps[-part:]) - statistics.median(heaps[:part])
    bound = SLACK + SLACK_PER_MINUTE * minutes
    print(f"heap: the median has grown by {growth:.0f} KiB in {minutes} min; {nodes[0]} to {nodes[-1]} nodes", flush=True)
    shown = ", ".join(f"{value:.0f}" for value in heaps)
    expect(growth <= bound, f"the heap has grown by {growth:.0f} KiB in {minutes} min, more than {bound}: {shown}")
    expect(max(nodes[-part:]) <= max(nodes[:part]) + 500, f"the number of nodes has grown: {nodes}")


@check()
def screenshots(run):
    """Writes pictures of the page for the documentation, with more traffic than the other checks need."""
    if not run.options.screenshots:
        return
    directory = pathlib.Path(run.options.screenshots)
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(run.page())
        if run.daemon:
            stack.callback(run.daemon.release)
            for _ in range(3):
                stack.enter_context(dashboard_load.Traffic(run.daemon))
            for _ in range(200):
                run.daemon.send("/blocking/sleep?ms=60000")
        page.resize(1280, 800)
        fill(page, "timeline")
        # More history than the picture has room for.
        time.sleep(8 * TICK)
        for name in ("light", "dark"):
            page.emulate(name)
            fill(page, "timeline")
            if run.daemon:
                run.daemon.send("/blocking/legacy/sleep?ms=600")
            time.sleep(3 * TICK)
            page.screenshot(directory / f"dashboard-timeline-{name}.png")
            fill(page, "overview")
            time.sleep(TICK)
            page.screenshot(directory / f"dashboard-overview-{name}.png")
        page.emulate()
        page.resize(375, 800)
        page.screenshot(directory / "dashboard-narrow.png")


@check()
def quiet(run):
    """No page of the whole run had a message, an exception, a dialog, a policy report, or a failed or foreign request."""
    earlier = len(run.faults)
    with run.page() as page:
        for tab in TABS:
            fill(page, tab)
        time.sleep(2 * TICK)
    expect(not earlier, f"{earlier} faults in the checks before")
