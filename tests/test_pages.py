"Each page: valid, clean, current, in order, small."
import copy, json, re, sys
from pathlib import Path
import nbformat
import pytest
from nbdev.clean import clean_nb
from fastcore.nbio import dict2nb
sys.path.insert(0, str(Path(__file__).parent))
from common import cells, exported, ids, module_of, number, pages, root

planned = {f"{n}.ipynb" for n in """index 00_tour 01_vocab 02_world 03_datasets 04_boxes 05_backbones 06_training 07_plots 08_results 10_region_embedding 11_brnn
12_alignment 13_retrieval 14_mrf 15_multimodal_rnn 16_decoding 17_caption_metrics 18_grounding 20_region_descriptions 21_anchors 22_box_regression 23_box_sampling
24_bilinear_roi_pooling 25_localization_layer 26_recognition_network 27_region_language_model 28_densecap 29_dense_captioning_ap 30_region_search 59_demo 60_explorer
61_command_line""".split()}
per_page = pytest.mark.parametrize("page", pages, ids=ids)


@per_page
def test_valid_and_clean(page):
    "Valid for Jupyter, and just what nbdev-clean leaves."
    d = json.loads(page.read_text())
    nbformat.validate(nbformat.from_dict(d))
    nb = dict2nb(copy.deepcopy(d)); clean_nb(nb)
    assert json.loads(json.dumps(nb)) == json.loads(json.dumps(dict2nb(copy.deepcopy(d)))), "run nbdev-clean"


@per_page
def test_outputs(page):
    "Run with outputs stored: pictures, no errors, no warnings, no paths of the author's machine."
    d = json.loads(page.read_text()); outputs = [o for c in d["cells"] if c["cell_type"] == "code" for o in c["outputs"]]
    assert outputs, "no stored output: run nbdev-test --save, then nbdev-clean"
    assert not [o for o in outputs if o["output_type"] == "error"], "a stored output is an error"
    assert not [o for o in outputs if o.get("name") == "stderr"], "stored stderr"
    assert any("image/png" in o.get("data", {}) for o in outputs), "no picture"
    text = json.dumps([[o.get("text"), {k: v for k, v in o.get("data", {}).items() if not k.startswith("image")}] for o in outputs])
    assert not re.search(r"/(work|root|home|tmp)/", text + json.dumps(cells(page))), "a path of the author's machine"
    assert page.stat().st_size < 400_000, f"{page.stat().st_size:,} bytes"


@per_page
def test_lesson_outputs_are_current(page):
    "A cell that ends in a bare expression and runs in tests has an output."
    d, bare = json.loads(page.read_text()), []
    for k, c in enumerate(c for c in d["cells"] if c["cell_type"] == "code"):
        source = "".join(c["source"]); last = source.strip().splitlines()[-1] if source.strip() else ""
        if re.match(r"#\| *(export|hide|default_exp|notest|full)", source) or not re.fullmatch(r"[\w.]+(\([^=]*\))?|\w+, .*", last) or re.search(r"=|;", last) or last.startswith(("assert", "import", "from", "test_", "print", "show", "plt", "random", "torch")): continue
        if not c["outputs"]: bare.append((k, last[:50]))
    assert not bare, f"cells without their value: {bare}"


@per_page
def test_links(page):
    "Links between pages lead to pages of the book."
    for target in re.findall(r"\]\(([^)#]+\.ipynb)\)", "\n".join(cells(page, "markdown"))):
        assert (page.parent / target).exists() or Path(target).name in planned, f"{target} is no page of the book"


@pytest.mark.parametrize("page", [p for p in pages if module_of(p)], ids=lambda p: p.name)
def test_imports_only_lower(page):
    "Data flows one way: a page imports modules of lower-numbered pages, and its own."
    of = {module_of(p): number(p) for p in pages if module_of(p)}
    for name in re.findall(r"^\s*(?:from|import) vsa_nb\.([\w.]+)", "\n".join(cells(page)), re.M):
        assert name in of and (of[name] < number(page) or name == module_of(page)), f"{page.name} imports vsa_nb.{name} of page {of.get(name)}"


@per_page
def test_exported_cells(page):
    "Exported cells are short, and never read a pickle."
    for source in filter(exported, cells(page)):
        lines = [l for l in source.splitlines() if l.strip() and not l.startswith("#|")]
        assert len(lines) <= 40, f"{len(lines)} lines: {lines[0]}"
        assert not re.search(r"\bimport pickle\b|torch\.load\(|allow_pickle=True", source)
