"What several tests look at: the notebooks, their cells and modules."
import json, re
from pathlib import Path

root = Path(__file__).resolve().parent.parent
pages = sorted(p for p in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in str(p))
ids = [str(p.relative_to(root / "nbs")) for p in pages]


def cells(page, kind="code"):
    "Sources of a notebook's cells."
    return ["".join(c["source"]) for c in json.loads(page.read_text())["cells"] if c["cell_type"] == kind]


def exported(source): return bool(re.search(r"^#\| *export\b", source, re.M))


def module_of(page):
    "The module that a page exports, such as `recipes.full_image_generator`, or None."
    found = [m[1] for s in cells(page) if (m := re.search(r"^#\| *default_exp +(\S+)", s, re.M))]
    return found[0] if found else None


def number(page):
    "A page's number; index has none."
    m = re.match(r"(\d+)_", page.name)
    return int(m[1]) if m else None
