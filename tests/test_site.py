"The site: what its builder promises, and, where Sphinx is installed, the whole build."
import importlib.util, json, re, sys
from pathlib import Path
import pytest
sys.path.insert(0, str(Path(__file__).parent))
from common import number, pages, root

spec = importlib.util.spec_from_file_location("site_build", root / "docs" / "build.py"); site = importlib.util.module_from_spec(spec); spec.loader.exec_module(site)
absent = [n for n in ("sphinx", "myst_nb", "sphinx_book_theme") if importlib.util.find_spec(n) is None]
mathjax = root / "docs" / "_build" / "mathjax" / site.MATHJAX
needs_sphinx = pytest.mark.skipif(bool(absent) or not mathjax.exists(), reason=f"{', '.join(absent)} not installed: `make site` installs them" if absent else "MathJax was not fetched yet: `make site` does")


def code(source, outputs=()): return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}, "execution_count": None}


def test_every_page_has_a_part():
    "The parts are made from the pages that are there, in reading order."
    found = site.find_pages(root / "nbs"); text = site.toctrees(found, root / "nbs")
    entries = re.findall(r"<([\w/]+)>", text)
    assert [e for e in entries if not e.startswith(("results", "api"))] == [str(p.relative_to(root / "nbs").with_suffix("")) for p in sorted((p for p in pages if number(p) is not None), key=number)]


def test_cells():
    "Exported source and imports are folded, hidden cells go, directives are not shown, lessons stay."
    assert site.site_cell(code("#| hide\nx = 1")) is None and site.site_cell(code("#| default_exp boxes")) is None
    c = site.site_cell(code("#| export\ndef area(boxes): return 1")); assert c["source"].startswith("def") and "hide-input" in c["metadata"]["tags"]
    assert "hide-input" in site.site_cell(code("import torch\ntorch.manual_seed(0)"))["metadata"]["tags"]
    assert "tags" not in site.site_cell(code("import torch\ntorch.zeros(2)", [{"output_type": "execute_result", "data": {"text/plain": "x"}}]))["metadata"]
    assert "tags" not in site.site_cell(code("area(3)"))["metadata"] and site.site_cell(code("#| echo: false\n1"))["metadata"]["tags"] == ["remove-input"]
    assert site.defined("def f(a: int, # the first\n      *rest: str, b=None): pass\nclass C: pass\ndef _g(): pass\n@patch\ndef m(self: C, x: int): pass") == ["f(a, *rest, b=None)", "C", "C.m(x)"]


def test_widgets_have_pictures():
    "A live widget becomes its picture; one without is refused."
    widget, png = {"application/vnd.jupyter.widget-view+json": {}}, {"image/png": "x"}
    assert site.static_output({"output_type": "display_data", "data": widget | png})["data"] == png
    with pytest.raises(ValueError, match="no static picture"): site.static_output({"output_type": "display_data", "data": widget})


def test_api_table():
    "Docments become a table; what looks like Markdown or HTML stays text."
    def f(a: int, # shape *(N, 4)* or <b>
          b: str = "x|y"): # a `name` | another
        "Does it."
    t = site.parameters(f); assert r"shape \*(N, 4)\* or \<b\>" in t and r"`name` \| another" in t and "'x\\|y'" in t and t.count("\n") == 5
    assert site.signature(f) == "(a, b='x|y')" and site.type_name("torch.Tensor | None") == "Tensor | None"


def test_links_are_checked(tmp_path, monkeypatch):
    "A link to a page that is not there stops the build."
    (tmp_path / "nbs").mkdir(); (tmp_path / "nbs" / "01_a.ipynb").write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# A\n[b](02_b.ipynb)", "metadata": {}}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    monkeypatch.setattr(site, "root", tmp_path)
    with pytest.raises(ValueError, match="01_a.ipynb -> 02_b.ipynb"): site.write_sources(tmp_path / "source")
    assert site.write_sources(tmp_path / "source", draft=True) == ["01_a.ipynb -> 02_b.ipynb"]


def test_finished_pages_are_checked(tmp_path):
    "Missing files and places, things from elsewhere and machine paths are found; links outward are fine."
    (tmp_path / "b.html").write_text('<p id="here">b</p>')
    (tmp_path / "a.html").write_text('<a href="b.html#here">1</a><a href="https://example.org/">2</a><a href="b.html#there">3</a><a href="c.html">4</a><img src="https://example.org/x.png">'
                                     '<script src="//example.org/x.js"></script><link rel="stylesheet" href="http://example.org/x.css"><p>/ho' + 'me/me/x.py</p>')
    (tmp_path / "s.css").write_text('@import url("https://example.org/f.css"); a {background: url(local.png)}')
    said = "\n".join(site.check(tmp_path))
    assert len(said.splitlines()) == 7, said
    for part in ("no place b.html#there", "no file c.html", "loads https://example.org/x.png", "loads //example.org/x.js", "loads http://example.org/x.css", "machine path", "s.css loads"): assert part in said


@needs_sphinx
def test_broken_references_fail(tmp_path):
    "Sphinx's warnings are errors."
    from sphinx.cmd.build import main as sphinx
    for k, text in enumerate(("# A\n\n{py:obj}`vsa_nb.nothing`\n", "# A\n\n[x](nowhere.md)\n", "# A\n\nfine\n")):
        source = tmp_path / f"s{k}"; (source / "_static").mkdir(parents=True); (source / "index.md").write_text(text); (source / "_static" / "style.css").write_text("")
        assert bool(sphinx(["-b", "html", "-c", str(root / "docs"), "-W", "-n", "-Q", str(source), str(tmp_path / f"h{k}")])) == (k < 2)


@needs_sphinx
def test_build(tmp_path):
    "All pages, with mathematics, folded source, API tables, links from names, results, search; nothing from elsewhere."
    assert site.main(["--out", str(tmp_path), "--draft"]) == 0
    html = tmp_path / "html"; text = (html / "12_alignment.html").read_text()
    assert len(list(html.rglob("*.html"))) > len(pages) and (html / "search.html").exists() and (html / "searchindex.js").stat().st_size > 50_000
    assert "12 Alignment" in text and "mathjax/tex-chtml.js" in text and "<summary" in text
    assert 'href="api/alignment.html#vsa_nb.alignment.init_scores"' in text and "#|" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)
    api = (html / "api" / "alignment.html").read_text(); assert 'id="vsa_nb.alignment.score_matrix"' in api and "<table" in api and "details" in api
    assert "full_image_generator" in (html / "results.html").read_text() and list((html / "_downloads").rglob("*record-*.json"))
    photos = {f.name for f in (root / "docs" / "photos").glob("*.png")}; assert photos and photos <= {f.name for f in (html / "_images").glob("*.png")}
    assert (html / "_sources" / "12_alignment.ipynb").read_bytes() == (root / "nbs" / "12_alignment.ipynb").read_bytes()
