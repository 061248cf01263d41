"The explorer in a browser: each view is opened, used and photographed. Skipped, saying so, without Chromium, Playwright or Voila."
import importlib.util, io, os, re, shutil, signal, socket, subprocess, sys, time
from pathlib import Path
from urllib.request import urlopen
import pytest
from PIL import Image
sys.path.insert(0, str(Path(__file__).parent))
from common import root

EVIL = "<img src=x onerror=alert(1)>"
chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
missing = [n for n in ("voila", "ipywidgets", "anywidget", "playwright") if not importlib.util.find_spec(n)] + ([] if chromium else ["Chromium"])
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the explorer is not tested in a browser here, because {', '.join(missing)} is missing: pip install -e .[dev], and on Debian or Ubuntu apt install chromium")
PHOTOS = Path(os.environ["VSA_PHOTOS"]).resolve() if os.environ.get("VSA_PHOTOS") else None # docs/photos, to renew the photographs of the site
APP = f"""
import time, torch
from pathlib import Path
from vsa_nb.datasets import load_karpathy_json
from vsa_nb.world import load_truth, write_world
EVIL = {EVIL!r}
root = write_world({{world!r}}, 60, 4, 60); things = load_truth(root)["test_00000.jpg"]["things"]
class Truth:
    "Stands in for DenseCap: the first scene's true boxes, and once more the first of them, with a caption that tries to be HTML."
    def caption(self, image, boxes=None, **options):
        if boxes is not None: return boxes, torch.ones(len(boxes)), [f"a box {{b[2] - b[0]:.0f}} wide" for b in boxes]
        b = torch.tensor([t["box"] for t in things]).float(); said = [f"a {{t['size']}} {{t['colour']}} {{t['kind']}}" for t in things]
        return torch.cat([b, b[:1] + 1]), torch.linspace(.9, .4, len(b) + 1), [*said, EVIL]
ex = Explorer(load_karpathy_json(root / "dataset.json", root / "images"), records=Path({str(root / "nbs" / "results")!r}), **load_models(world=True))
look = ex.regions; ex.regions = lambda i: (time.sleep(.3 * (i.split == "train")), look(i))[1]       # looking at the training images takes long
ex.densecap = Truth(); ex.split("test")[0].sentences.insert(0, "A red ball " + EVIL)
explore(ex)"""


def answers(address, process, log):
    "Wait until a server does."
    for _ in range(600):
        try: urlopen(f"{address}static/", timeout=2); return
        except OSError as e:
            if getattr(e, "code", None): return
            time.sleep(.5)
        assert process.poll() is None, Path(log.name).read_text()[-2000:]
    raise TimeoutError(f"no server after five minutes: {Path(log.name).read_text()[-2000:]}")


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    "Starts servers, and ends them."
    running = []
    def start(*words, path=""): # PORT in the words becomes one -> address
        with socket.socket() as s: s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]
        log = open(tmp_path_factory.mktemp("log") / "server.log", "w+"); env = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "VSA_CACHE": str(tmp_path_factory.getbasetemp() / "cache")}
        p = subprocess.Popen([sys.executable, *(str(w).replace("PORT", str(port)) for w in words)], cwd=root, env=env, stdout=log, stderr=log, start_new_session=True)
        running.append((p, log)); address = f"http://127.0.0.1:{port}/"; answers(address, p, log); return address + path
    yield start
    for p, log in running:
        if p.poll() is None: os.killpg(p.pid, signal.SIGTERM); p.wait(20)
        log.close()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--force-device-scale-factor=1"]); yield b; b.close()


class Page:
    "A page of the explorer that notes every complaint of the browser and every request to the outside."
    def __init__(self, browser, address, width=1280):
        self.page, self.wrong, self.outside = browser.new_page(viewport={"width": width, "height": 900}), [], []; own = (address, address.replace("http", "ws"), "data:", "blob:")
        self.page.set_default_timeout(180_000); self.page.on("pageerror", lambda e: self.wrong.append(str(e))); self.page.on("dialog", lambda d: (self.wrong.append("alert"), d.dismiss()))
        self.page.on("console", lambda m: m.type == "error" and self.wrong.append(m.text)); self.page.on("request", lambda r: None if r.url.startswith(own) else self.outside.append(r.url))
        self.page.goto(address); self.page.get_by_role("button", name="Alignments", exact=True).wait_for()

    def top(self): self.page.evaluate("document.querySelectorAll('*').forEach(e => { e.scrollTop = 0; })")
    def view(self, name): self.top(); self.page.get_by_role("button", name=name, exact=True).first.click(); return self.page

    def photo(self, name, tmp_path, keep=True):
        self.top(); self.page.mouse.move(1, 1); self.page.wait_for_timeout(300); f = (PHOTOS if PHOTOS and keep else tmp_path) / f"explorer_{name}.png"; f.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=f); Image.open(f).convert("RGB").quantize(128, method=Image.Quantize.FASTOCTREE, dither=0).save(f, optimize=True)
        assert 5_000 < f.stat().st_size < 150_000, f"{f.name}: {f.stat().st_size:,} bytes"

    def check(self): assert not self.wrong, self.wrong; assert not self.outside, self.outside
    def close(self): self.page.goto("about:blank"); self.page.wait_for_timeout(300); self.page.close(); self.check()


@pytest.fixture(scope="session")
def address(serving, tmp_path_factory):
    call = APP.replace("{world!r}", repr(str(tmp_path_factory.mktemp("world") / "world")))
    return serving("-c", f"from vsa_nb.explorer import serve; import sys; sys.exit(serve({call!r}, PORT, browser=False))")


@pytest.fixture(scope="session")
def opened(address, browser): p = Page(browser, address); yield p; p.close()


@pytest.fixture
def app(opened): yield opened; opened.check()


def shown(page, rule): return page.locator(rule).evaluate_all("all => all.filter(e => getComputedStyle(e).display != 'none').length")


def upload(page, name, content):
    "What a visitor does to use a picture of one's own."
    with page.expect_file_chooser() as chooser: page.get_by_role("button", name=re.compile("Use your own picture")).click()
    chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})


def test_alignments(app, tmp_path):
    "Words choose boxes by pointer and keyboard; beta joins segments; a caption that is HTML shows as written."
    page = app.page; words = page.locator("label.w:not(.all)"); words.first.wait_for(); assert EVIL in " ".join(page.get_by_label("Sentence", exact=True).locator("option").first.text_content().split())
    assert shown(page, ".s") == 0; words.nth(1).hover(); assert shown(page, ".s") == 1 and shown(page, ".vsa .r") == 1; page.mouse.move(5, 5); assert shown(page, ".s") == 0
    page.locator("label.all input").focus(); page.keyboard.press("ArrowRight"); assert shown(page, ".s") == 1 and page.locator(".s0 .bar").count() == 20
    before = int(re.search(r"(\d+) segment", page.locator("p[aria-live]").first.inner_text())[1]); slider = page.get_by_role("slider").first; slider.focus()
    for _ in range(40): page.keyboard.press("PageUp")
    page.wait_for_function("() => parseInt(document.querySelector('p[aria-live] b').innerText) <= 2"); assert before >= 1 and shown(page, ".s") == 1   # the choice stays
    for _ in range(40): page.keyboard.press("PageDown")


def test_a_move_of_beta_is_quick(app):
    "From the key to the changed page, less than 50 ms."
    page = app.page; slider = page.get_by_role("slider").first
    page.evaluate("""() => { window.moves = []; let t = 0; document.addEventListener('keydown', () => { t = performance.now(); }, true);
        new MutationObserver(m => { if (t && m.some(x => [...x.addedNodes].some(n => n.nodeName == 'STYLE'))) { moves.push(performance.now() - t); t = 0; } }).observe(document.body, {childList: true, subtree: true}); }""")
    slider.focus()
    for _ in range(15): page.keyboard.press("ArrowRight"); page.wait_for_timeout(150)
    moves = sorted(page.evaluate("moves")); print(f"ms a move: median {moves[len(moves) // 2]:.1f}, fastest {moves[0]:.1f}, slowest {moves[-1]:.1f}, of {len(moves)}")
    assert len(moves) >= 10 and moves[len(moves) // 2] < 50, moves


def test_own_sentences(app, tmp_path):
    page = app.page; own = page.get_by_label("Or your own"); own.fill("zebra"); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(); assert "none of the words" in page.get_by_role("alert").inner_text()
    own.fill("a red ball " + EVIL); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(state="detached"); assert page.locator(".unknown").count() >= 1
    page.get_by_label(re.compile(r"Image \(1 to")).fill("4"); page.keyboard.press("Enter"); page.get_by_text("test_00003.jpg").first.wait_for()
    own.fill(""); page.keyboard.press("Enter"); page.wait_for_function("() => !document.querySelector('.unknown')"); slider = page.get_by_role("slider").first; [slider.press(k) for k in ("Home", *["ArrowRight"] * 4)]; page.locator("label.w:not(.all)").last.click(); app.photo("alignments", tmp_path)


def test_captions(app, tmp_path):
    "Candidates with metrics; a picture of one's own; a file that is none."
    page = app.view("Captions"); page.get_by_role("row").nth(10).wait_for(); assert page.locator("td", has_text=re.compile("^beam$")).count() == 7 and page.locator("th", has_text="CIDEr-D").count() == 1
    assert page.get_by_text("A red ball " + EVIL).count() >= 1; page.locator("summary").first.focus(); page.keyboard.press("Enter"); app.photo("captions", tmp_path)
    beam = page.get_by_role("slider").first; beam.focus(); page.keyboard.press("ArrowLeft"); page.wait_for_function("() => [...document.querySelectorAll('td')].filter(t => t.innerText == 'beam').length == 6")
    out = io.BytesIO(); Image.new("RGB", (200, 120), "red").save(out, "PNG"); upload(page, EVIL + ".png", out.getvalue())
    page.get_by_text("nobody described this image here").wait_for(); upload(page, "a.png", b"no picture"); page.get_by_role("alert").wait_for(); assert "a.png is no picture" in page.get_by_role("alert").inner_text()


def test_dense(app, tmp_path):
    "Sliders choose among boxes; a box drawn with the pointer is described."
    from vsa_nb.model_files import packaged_models
    page = app.view("Dense captions"); said = page.locator("ol.said li"); said.nth(1).wait_for(); n = said.count(); assert page.get_by_text(EVIL).count() == 0      # suppressed
    app.photo("dense", tmp_path, keep="world-densecap" not in packaged_models())
    page.locator("ol.said li").first.focus(); assert float(page.locator(".r1").evaluate("e => getComputedStyle(e).opacity")) < .5; overlap = page.get_by_role("slider").nth(2); overlap.focus()
    for _ in range(20): page.keyboard.press("ArrowRight")
    said.nth(n).wait_for(); assert page.get_by_text(EVIL).count() == 1; low = page.get_by_role("slider").first; low.focus(); page.keyboard.press("End"); page.get_by_text("no box is left").wait_for(); page.keyboard.press("Home")
    board = page.locator("svg.vsa-draw"); board.scroll_into_view_if_needed(); b = board.bounding_box(); at = lambda f: (b["x"] + b["width"] * f, b["y"] + b["height"] * f)
    page.mouse.move(*at(.25)); page.mouse.down(); page.mouse.move(*at(.5), steps=4); page.mouse.up(); page.wait_for_timeout(500); page.get_by_role("button", name="Describe this box").click()
    answer = page.get_by_text("Your box:"); answer.wait_for(); assert 30 <= int(re.search(r"a box (\d+) wide", answer.inner_text())[1]) <= 34


def test_search(app, tmp_path):
    "Images by words; the parts of a score add up to it."
    page = app.view("Search"); page.get_by_label("Words", exact=True).fill("a red ball"); page.keyboard.press("Enter"); page.locator("figure").first.wait_for(); assert page.locator("figure").count() == 12
    why = page.locator("figure").first; why.locator("summary").focus(); page.keyboard.press("Enter"); score = float(why.locator("summary").inner_text().split()[-1]); assert abs(sum(map(float, why.locator("td:last-child").all_inner_texts())) - score) < .01
    app.photo("search", tmp_path); page.get_by_label("Words", exact=True).fill(EVIL); page.keyboard.press("Enter"); page.get_by_role("alert").wait_for(); assert "none of these words" in page.get_by_role("alert").inner_text()


def test_long_work_can_be_stopped(app):
    "Looking at a set that takes long shows how far it is, and stops."
    page = app.view("Search"); page.get_by_label("Words", exact=True).fill("a blue star"); page.get_by_label("Set", exact=True).select_option("train"); page.get_by_text(re.compile(r"looking at image [2-9] of 60")).wait_for()
    page.get_by_role("button", name="Stop").click(); page.get_by_role("alert").wait_for(); assert "Stopped" in page.get_by_role("alert").inner_text(); page.get_by_role("button", name="Stop").wait_for(state="hidden")


def test_tables(app, tmp_path):
    "Sorted by a column; a number of ours leads to its record and its curve."
    page = app.view("Tables"); page.locator("label.n").first.wait_for(); page.get_by_label("Table", exact=True).select_option(label="DVSA Table 2, Flickr8K (with ours)"); sort = page.get_by_label("Sort by")
    sort.locator("option", has_text="B-4").wait_for(state="attached"); sort.select_option("B-4"); page.locator("th[aria-sort=descending]").wait_for(); rows = page.locator("table").first.locator("> tbody > tr:not(.p)")
    column = page.locator("thead").first.locator("th").all_inner_texts().index("B-4 ▼"); cells = rows.evaluate_all(f"rows => rows.map(r => r.children[{column}].innerText)"); values = [float(t.split()[0]) for t in cells if t.strip() != "-"]
    assert values == sorted(values, reverse=True) and len(values) > 5; number = rows.filter(has_text="RNN, beam 7").first.locator("label.n input").first; number.focus(); page.keyboard.press("Space")
    page.locator("tr.p:visible polyline").first.wait_for(); assert "record-" in page.locator("tr.p:visible a").first.inner_text() and page.locator("tr.p:visible details").count() == 1
    with page.expect_download() as got: page.locator("tr.p:visible a").first.click()
    assert '"metrics"' in Path(got.value.path()).read_text(); app.photo("tables", tmp_path)


def test_narrow(app, tmp_path):
    "On a phone-wide window nothing sticks out, and controls have names."
    app.page.set_viewport_size({"width": 390, "height": 900})
    for name, there in (("Alignments", "label.w"), ("Captions", "table"), ("Dense captions", "ol.said"), ("Search", "input"), ("Tables", "label.n")):
        page = app.view(name); page.locator(there).first.wait_for(); page.wait_for_timeout(500); assert page.evaluate("document.documentElement.scrollWidth") <= 392, name
        sticking = page.evaluate("() => [...document.querySelectorAll('.widget-inline-hbox, .widget-html, .vsa svg.picture, .vsa-draw')].filter(e => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > 391).map(e => e.className.baseVal || e.className)"); assert not sticking, (name, sticking)
        nameless = page.evaluate("() => [...document.querySelectorAll('input:not([type=file]), select, button, [role=slider], .widget-readout')].filter(e => e.getBoundingClientRect().width && !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.title && !(e.nodeName == 'BUTTON' && e.innerText.trim())).map(e => e.outerHTML.slice(0, 120))"); assert not nameless, (name, nameless)
        app.photo(f"narrow-{name.split()[0].lower()}" if name != "Alignments" else "narrow", tmp_path, keep=name == "Alignments")
    app.page.set_viewport_size({"width": 1280, "height": 900})


def test_make_explore(serving, browser, tmp_path):
    "What `make explore` runs, with the packaged models; without a packaged DenseCap, the view says how to make one."
    from vsa_nb.model_files import packaged_models
    p = Page(browser, serving("-m", "vsa_nb.explorer", "--no-browser", "--port=PORT")); page = p.view("Dense captions")
    if "world-densecap" not in packaged_models(): page.get_by_role("alert").wait_for(); assert "vsa train densecap" in page.get_by_role("alert").inner_text()
    else:
        page.locator("ol.said li").nth(1).wait_for(); page.get_by_role("button", name="Describe this box").click(); page.get_by_text("Your box:").wait_for(); p.photo("dense", tmp_path)
    p.close()


def test_jupyterlab(serving, browser, tmp_path):
    "The same widget in a cell of JupyterLab."
    if not importlib.util.find_spec("jupyterlab"): pytest.skip("JupyterLab is not installed here")
    from vsa_nb.explorer import write_app
    write_app(tmp_path, "open_explorer()"); address = serving("-m", "jupyterlab", "--no-browser", "--port=PORT", "--IdentityProvider.token=", f"--notebook-dir={tmp_path}", "--allow-root", "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", path="lab/tree/explorer.ipynb")
    page = browser.new_page(viewport={"width": 1280, "height": 900}); page.set_default_timeout(180_000); wrong = []; page.on("pageerror", lambda e: wrong.append(str(e))); page.goto(address)
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for(state="attached")      # before the kernel is there, Shift+Enter does nothing
    page.locator(".jp-CodeCell").first.click(); page.keyboard.press("Shift+Enter"); page.locator("label.w").first.wait_for(); page.locator("label.all input").focus(); page.keyboard.press("ArrowRight"); assert shown(page, ".s") == 1
    page.get_by_role("button", name="Search", exact=True).first.click(); page.get_by_label("Words", exact=True).fill("a red ball"); page.keyboard.press("Enter"); page.locator("figure").first.wait_for()
    page.screenshot(path=tmp_path / "lab.png"); page.close(); assert not wrong, wrong
