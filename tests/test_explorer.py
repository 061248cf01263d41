"The explorer in a browser: each view is opened, used and photographed. Skipped, saying so, without Chromium, Playwright or Voila."
import importlib.util, io, os, re, shutil, signal, socket, subprocess, sys, time
from pathlib import Path
from urllib.request import urlopen
import pytest

root, EVIL = Path(__file__).resolve().parent.parent, "<img src=x onerror=alert(1)>"
chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
missing = [n for n in ("voila", "ipywidgets", "playwright") if not importlib.util.find_spec(n)] + ([] if chromium else ["Chromium"])
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the explorer is not tested in a browser here: {', '.join(missing)} missing")
PHOTOS = Path(os.environ["VSA_PHOTOS"]).resolve() if os.environ.get("VSA_PHOTOS") else None # docs/photos, to renew the photographs of the site
STAND_IN = """
class Truth:
    "Stands in for DenseCap: true boxes, one caption that tries to be HTML."
    def caption(self, image, n_proposals=300, rpn_nms=.7, final_nms=.3, boxes=None):
        import torch
        if boxes is not None: return boxes, torch.ones(len(boxes)), [f"a box {b[2] - b[0]:.0f} wide" for b in boxes]
        return torch.tensor([[10., 10, 60, 60], [12, 11, 62, 60], [70, 50, 120, 100]]), torch.tensor([.9, .7, .4]), ["a red ball", EVIL, "a tree"]
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    "A folder for the world, and models of it: those of the package, or quickly trained ones."
    from vsa_nb.explorer import have_models, packaged_models, prepare_world
    folder = tmp_path_factory.mktemp("explorer"); models = Path(os.environ.get("VSA_EXPLORER") or packaged_models())
    return folder, models if have_models(models) else prepare_world(folder, 150, 2, 2, progress=False, say=lambda *_, **__: None)


def served(call, log):
    "A process that serves a widget, its address, once it answers."
    with socket.socket() as s: s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]
    code = f"from vsa_nb.explorer import serve; import sys; sys.exit(serve({call!r}, {port}, browser=False))"
    p = subprocess.Popen([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, start_new_session=True)
    for _ in range(240):
        try: urlopen(f"http://127.0.0.1:{port}/static/", timeout=2); break
        except OSError as e:
            if getattr(e, "code", None): break
            time.sleep(.5)
        assert p.poll() is None, Path(log.name).read_text()[-2000:]
    return p, f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--force-device-scale-factor=1"]); yield b; b.close()


@pytest.fixture(scope="session")
def server(home, tmp_path_factory):
    with open(tmp_path_factory.mktemp("log") / "voila.log", "w+") as log:
        evil = f"(lambda ex: (setattr(ex, 'densecap', Truth()), ex.split('test')[0].sentences.insert(0, 'A red ball ' + EVIL), explore(ex))[2])(world_explorer({str(home[0])!r}, {str(home[1])!r}, {str(root / 'nbs' / 'results')!r}))"
        p, address = served(f"EVIL = {EVIL!r}{STAND_IN}\n{evil}", log)
        yield address
        os.killpg(p.pid, signal.SIGTERM); p.wait(20)


class Page:
    "A page of the explorer that notes every complaint of the browser and every request to the outside."
    def __init__(self, browser, address, width=1280):
        self.page, self.wrong, self.outside = browser.new_page(viewport={"width": width, "height": 900}), [], []
        self.page.set_default_timeout(120_000)
        self.page.on("console", lambda m: m.type == "error" and self.wrong.append(m.text)); self.page.on("pageerror", lambda e: self.wrong.append(str(e))); self.page.on("dialog", lambda d: (self.wrong.append("alert"), d.dismiss()))
        self.page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:", address.replace("http", "ws"))) else self.outside.append(r.url))
        self.page.goto(address); self.page.get_by_role("button", name="Alignments", exact=True).wait_for()
    def view(self, name): self.page.get_by_role("button", name=name, exact=True).click(); return self.page
    def photo(self, name, tmp_path, keep=True):
        self.page.wait_for_timeout(300); f = (PHOTOS if PHOTOS and keep else tmp_path) / f"explorer_{name}.png"; f.parent.mkdir(parents=True, exist_ok=True); self.page.screenshot(path=f)
        from PIL import Image
        Image.open(f).convert("RGB").quantize(48, dither=0).save(f, optimize=True); assert 5_000 < f.stat().st_size < 150_000, f"{f.name}: {f.stat().st_size:,} bytes"
    def close(self): self.page.goto("about:blank"); self.page.wait_for_timeout(300); self.page.close(); assert not self.wrong, self.wrong; assert not self.outside, self.outside


@pytest.fixture
def app(server, browser):
    p = Page(browser, server); yield p; p.close()


def shown(page, cls): return page.locator(f".vsa .r{cls}" if isinstance(cls, int) else cls).evaluate_all("all => all.filter(e => getComputedStyle(e).display != 'none').length")


def upload(page, name, content):
    "What a visitor does to use a picture of one's own."
    with page.expect_file_chooser() as chooser: page.get_by_role("button", name=re.compile("Use your own picture")).click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})


def test_alignments(app, tmp_path):
    "Words choose boxes by pointer and keyboard; beta joins segments; a caption that is HTML shows as written."
    page = app.page; words = page.locator("label.w:not(.all)"); words.first.wait_for(); assert EVIL in " ".join(page.get_by_label("Sentence", exact=True).locator("option").first.text_content().split())
    assert shown(page, ".s") == 0; words.nth(1).hover(); assert shown(page, ".s") == 1 and shown(page, ".r") == 1; page.mouse.move(5, 5); assert shown(page, ".s") == 0
    page.locator("label.all input").focus(); page.keyboard.press("ArrowRight"); assert shown(page, ".s") == 1 and page.locator(".s0 .bar").count() == 20
    before = int(re.search(r"(\d+) segment", page.locator("p[aria-live]").first.inner_text())[1]); slider = page.get_by_role("slider").first; slider.focus()
    for _ in range(40): page.keyboard.press("PageUp")
    page.wait_for_function("() => parseInt(document.querySelector('p[aria-live] b').innerText) <= 2"); assert before >= 1 and shown(page, ".s") == 1   # the choice stays
    for _ in range(40): page.keyboard.press("PageDown")
    page.evaluate("""() => { window.moves = []; let t = 0; document.addEventListener('keydown', () => { t = performance.now(); }, true);
        new MutationObserver(m => { if (t && m.some(x => [...x.addedNodes].some(n => n.nodeName == 'STYLE'))) { moves.push(performance.now() - t); t = 0; } }).observe(document.body, {childList: true, subtree: true}); }""")
    slider.focus()
    for _ in range(15): page.keyboard.press("ArrowRight"); page.wait_for_timeout(150)
    moves = sorted(page.evaluate("moves")); assert len(moves) >= 10 and moves[len(moves) // 2] < 50, moves                             # ms from the key to the page
    page.get_by_label("Or your own").fill("zebra"); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(); assert "none of the words" in page.get_by_role("alert").inner_text()
    page.get_by_label("Or your own").fill("a red ball " + EVIL); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(state="detached"); assert page.locator(".unknown").count() >= 1
    page.get_by_label(re.compile(r"Image \(1 to")).fill("2"); page.keyboard.press("Enter"); page.get_by_text("test_00001.jpg").first.wait_for()
    page.get_by_label("Or your own").fill(""); page.keyboard.press("Enter"); words.nth(2).click(); app.photo("alignments", tmp_path)


def test_captions(app, tmp_path):
    page = app.view("Captions"); page.get_by_role("row").nth(10).wait_for(); assert page.locator("td.left", has_text=re.compile("^beam$")).count() == 7 and page.locator("th", has_text="CIDEr-D").count() == 1
    assert page.get_by_text("A red ball " + EVIL).count() >= 1; page.locator("summary").first.click(); app.photo("captions", tmp_path)
    from PIL import Image
    out = io.BytesIO(); Image.new("RGB", (200, 120), "red").save(out, "PNG"); upload(page, EVIL + ".png", out.getvalue())
    page.get_by_text("nobody described this image here").wait_for(); upload(page, "a.png", b"no picture"); page.get_by_role("alert").wait_for(); assert "a.png is no picture" in page.get_by_role("alert").inner_text()


def test_dense(app, tmp_path):
    page = app.view("Dense captions"); page.locator("ol.said li").nth(1).wait_for(); assert page.locator("ol.said li").count() == 2      # one of three suppressed
    page.locator("ol.said li").first.focus(); assert page.locator(".r1").evaluate("e => getComputedStyle(e).opacity") < "0.5"; overlap = page.get_by_role("slider").nth(1); overlap.focus()
    for _ in range(20): page.keyboard.press("ArrowRight")
    page.locator("ol.said li").nth(2).wait_for(); assert page.get_by_text(EVIL).count() == 1
    if importlib.util.find_spec("anywidget"):
        board = page.locator("svg.vsa-draw"); board.wait_for(); board.scroll_into_view_if_needed(); b = board.bounding_box(); page.mouse.move(b["x"] + b["width"] * .25, b["y"] + b["height"] * .25); page.mouse.down(); page.mouse.move(b["x"] + b["width"] * .5, b["y"] + b["height"] * .5, steps=4); page.mouse.up(); page.wait_for_timeout(500)
    page.get_by_role("button", name="Describe this box").click(); answer = page.get_by_text("Your box:"); answer.wait_for(); assert re.search(r"a box \d+ wide", answer.inner_text()); assert not importlib.util.find_spec("anywidget") or 30 <= int(re.search(r"box (\d+) wide", answer.inner_text())[1]) <= 34
    page.evaluate("scrollTo(0, 0)"); app.photo("dense", tmp_path, keep=False)


def test_real_dense(home, browser, tmp_path):
    "With a trained DenseCap: boxes, captions, and a word for a box of one's own."
    from vsa_nb.explorer import find_models
    if "densecap" not in find_models(home[1], True): pytest.skip("no DenseCap among the models: the view was tested with a stand-in only")
    with open(tmp_path / "voila.log", "w+") as log:
        p, address = served(f"explore_world({str(home[0])!r}, {str(home[1])!r})", log)
        try:
            a = Page(browser, address); page = a.view("Dense captions"); page.locator("ol.said li").nth(1).wait_for(); page.get_by_role("button", name="Describe this box").click(); page.get_by_text("Your box:").wait_for(); a.photo("dense", tmp_path); a.close()
        finally: os.killpg(p.pid, signal.SIGTERM); p.wait(20)


def test_search(app, tmp_path):
    page = app.view("Search"); page.get_by_label("Words", exact=True).fill("a red ball"); page.keyboard.press("Enter"); page.locator("figure").first.wait_for(); assert page.locator("figure").count() == 12
    page.locator("figure summary").first.focus(); page.keyboard.press("Enter"); cells = page.locator("figure").first.locator("td:last-child").all_inner_texts(); score = float(page.locator("figure summary").first.inner_text().split()[-1]); assert abs(sum(map(float, cells)) - score) < .01
    app.photo("search", tmp_path); page.get_by_label("Words", exact=True).fill(EVIL); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(); assert "none of these words" in page.get_by_role("alert").inner_text()


def test_tables(app, tmp_path):
    page = app.view("Tables"); page.locator("label.n").first.wait_for(); page.get_by_label("Table", exact=True).select_option(label="DVSA Table 2, Flickr8K (with ours)"); page.get_by_label("Sort by").locator("option", has_text="B-4").wait_for(state="attached"); page.get_by_label("Sort by").select_option("B-4"); page.locator("th[aria-sort=descending]").wait_for()
    column = page.locator("thead").first.locator("th").all_inner_texts().index("B-4 ▼"); values = [float(t.split()[0]) for t in page.locator("table").first.locator("> tbody > tr:not(.p)").evaluate_all(f"rows => rows.map(r => r.children[{column}].innerText)") if t.strip() != "-"]; assert values == sorted(values, reverse=True) and len(values) > 5
    number = page.locator("label.n input").first; number.focus(); page.keyboard.press("Space"); page.locator("tr.p:visible").wait_for(); assert "record-" in page.locator("tr.p:visible").inner_text() and page.locator("tr.p").first.locator("details").count() == 1
    number = page.locator("table").first.locator("> tbody > tr:not(.p)", has_text="RNN, beam 7").first.locator("label.n input").first; number.focus(); page.keyboard.press("Space"); page.locator("tr.p:visible polyline").first.wait_for()
    app.photo("tables", tmp_path)


def test_narrow(server, browser, tmp_path):
    "On a phone-wide window nothing sticks out, and controls have names."
    p = Page(browser, server, 390)
    for name, there in (("Alignments", "label.w"), ("Captions", "table"), ("Dense captions", "ol.said"), ("Search", "input"), ("Tables", "label.n")):
        page = p.view(name); page.locator(there).first.wait_for(); page.wait_for_timeout(500); assert page.evaluate("document.documentElement.scrollWidth") <= 392, name
        sticking = page.evaluate("() => [...document.querySelectorAll('.widget-inline-hbox, .widget-html, .vsa svg.picture')].filter(e => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > 391).map(e => e.className.baseVal || e.className)"); assert not sticking, (name, sticking)
        nameless = page.evaluate("() => [...document.querySelectorAll('input:not([type=file]), select, button, [role=slider], .widget-readout')].filter(e => e.getBoundingClientRect().width && !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.title && !(e.nodeName == 'BUTTON' && e.innerText.trim())).map(e => e.outerHTML.slice(0, 120))"); assert not nameless, (name, nameless)
    p.view("Alignments"); p.photo("narrow", tmp_path); p.close()


def test_training_can_be_stopped(browser, tmp_path):
    "Without models the page offers to train them, shows progress, and stops."
    with open(tmp_path / "voila.log", "w+") as log:
        p, address = served(f"explore_world({str(tmp_path / 'models')!r}, n_train=3000)", log)
        try:
            page = browser.new_page(); page.set_default_timeout(120_000); page.goto(address); page.get_by_role("button", name="Train them").click(); page.get_by_text(re.compile("[12] of 5")).wait_for()
            page.get_by_role("button", name="Stop").click(); page.get_by_role("alert").wait_for(); assert "Stopped" in page.get_by_role("alert").inner_text(); page.goto("about:blank"); page.close()
        finally: os.killpg(p.pid, signal.SIGTERM); p.wait(20)
