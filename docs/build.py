"""The site. `make site` calls this file: pages of nbs/ and the library's functions become Sphinx sources, and those become HTML.

The pages come from their stored outputs: nothing runs. What the build checks: Sphinx's own warnings are errors (-W, nitpicky), and every
link, picture, script and style of the finished pages has to lead to a file of the site; nothing may be loaded from elsewhere.
"""
import argparse, ast, importlib, inspect, json, re, shutil, subprocess, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

root = Path(__file__).resolve().parent.parent
MATHJAX = "4.1.3"
PARTS = [("Start", 0, 0), ("Part 0. Foundations", 1, 9), ("Part I. Visual-semantic alignments", 10, 19), ("Part II. DenseCap", 20, 39),
         ("Part III. Recipes", 40, 49), ("Part IV. Tables", 50, 57), ("Part V. At work", 58, 99)]


# ------------------------------------------------------------------------------------------------ pages
def number(page: Path) -> str:
    "A page's number as it is written, or nothing."
    m = re.match(r"(\d+)_", page.name); return m[1] if m else ""


def find_pages(nbs: Path) -> list[Path]:
    "All notebooks, in reading order, the index first."
    return sorted((p for p in nbs.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts), key=lambda p: (number(p), p.name))


def split_directives(source: str) -> tuple[dict, str]: # a code cell -> {directive: value}, the rest
    "nbdev's `#| ...` lines at the top of a cell."
    lines, found = source.splitlines(), {}
    while lines and (m := re.match(r"#\|\s*([\w-]+):?\s*(.*)", lines[0])): found[m[1]] = m[2].strip(); lines.pop(0)
    return found, "\n".join(lines)


def module_of(nb: dict) -> str | None:
    "The module that a page exports."
    return next((d["default_exp"] for c in nb["cells"] if c["cell_type"] == "code" for d in [split_directives("".join(c["source"]))[0]] if "default_exp" in d), None)


def defined(source: str) -> list[str]:
    "What a cell adds to the library: functions with their parameters, classes, methods patched onto a class."
    out = []
    for n in ast.parse(source).body:
        if isinstance(n, ast.FunctionDef):
            a = n.args; owner = ast.unparse(a.args[0].annotation) + "." if any("patch" in ast.unparse(d) for d in n.decorator_list) and a.args and a.args[0].annotation else ""
            for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg):
                if x is not None: x.annotation = None
            if owner: a.args = a.args[1:]
            out.append(f"{owner}{n.name}({ast.unparse(a)})")
        elif isinstance(n, ast.ClassDef): out.append(n.name)
    return [n for n in out if not re.match(r"(\w+\.)?_[a-z]", n)]


def only_setup(source: str) -> bool: # imports, perhaps with seeds and settings
    "Whether a cell does nothing that a reader has to see."
    try: body = ast.parse(source).body
    except SyntaxError: return False
    rest = [n for n in body if not isinstance(n, (ast.Import, ast.ImportFrom))]
    return len(rest) < len(body) and all(re.match(r"((plt|torch|random|np|logging|pd|warnings|os)\.|seed_everything\()", ast.unparse(n)) for n in rest)


def site_cell(cell: dict) -> dict | None: # None: not for readers
    "A code cell as the site shows it: exported source and imports folded, hidden cells gone."
    directives, source = split_directives("".join(cell["source"])); fold = None
    if {"hide", "default_exp"} & set(directives): return None
    if not source.strip() and not cell["outputs"]: return None
    if only_setup(source) and not cell["outputs"]: fold = "Imports"
    elif "export" in directives: fold = "Source"
    meta = {"tags": ["hide-input"], "mystnb": {"code_prompt_show": fold, "code_prompt_hide": fold}} if fold else {}
    if directives.get("echo") == "false": meta = {"tags": ["remove-input"]}
    meta.setdefault("mystnb", {})["image"] = {"alt": "What the code above draws"}
    return {**cell, "source": source, "metadata": meta, "outputs": [static_output(o) for o in cell["outputs"]]}


def static_output(output: dict) -> dict:
    "An output without live widgets. Raises ValueError for a widget that has no picture or text beside it."
    data = output.get("data")
    if not data: return output
    whole = lambda v: ("".join(v) if isinstance(v, list) else v).replace(" ± ", "\u00a0±\u00a0")
    data = {k: whole(v) if k in ("text/html", "text/markdown") else v for k, v in data.items()}
    if "application/vnd.jupyter.widget-view+json" not in data: return {**output, "data": data}
    rest = {k: v for k, v in data.items() if "widget" not in k}
    if "image/png" not in rest: raise ValueError("a stored widget has no static picture: show one in the same output")
    return {**output, "data": rest}


def site_page(page: Path, nbs: Path, modules: dict) -> dict: # the notebook to write
    "A notebook as the site shows it."
    nb = json.loads(page.read_text()); module, n, cells = modules.get(page), number(page), []
    for c in nb["cells"]:
        if c["cell_type"] == "code":
            if module and "default_exp" in split_directives("".join(c["source"]))[0]: cells.append(markdown(f"This page makes the module {{py:mod}}`vsa_nb.{module}`."))
            directives, source = split_directives("".join(c["source"]))
            if "export" in directives and (some := defined(source)): cells.append(markdown("  \n".join(f"`{' '.join(n.split())}`" for n in some)))
            if (c := site_cell(c)) is not None: cells.append(c)
            continue
        s = "".join(c["source"])
        if c["cell_type"] == "markdown" and n: s = re.sub(r"\A# ", f"# {n} ", s)
        s = re.sub(r"\]\((?:\.\./)+docs/photos/", "](/photos/", s)
        cells.append({**c, "source": s, "metadata": {}})
    for k, c in enumerate(cells): c["id"] = f"cell-{k}"
    return {"cells": cells, "metadata": nb["metadata"], "nbformat": 4, "nbformat_minor": 5}


def markdown(text: str) -> dict: return {"cell_type": "markdown", "source": text, "metadata": {}}


def title(page: Path) -> str:
    "A page's heading, with its number."
    text = next(m[1] for c in json.loads(page.read_text())["cells"] if c["cell_type"] == "markdown" and (m := re.match(r"# (.+)", "".join(c["source"]))))
    return f"{number(page)} {text}".strip()


def toctrees(pages: list[Path], nbs: Path) -> str:
    "The parts of the book and their pages."
    tree = lambda caption, entries: f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(entries) + "\n```\n"
    out, seen = [], {p for p in pages if not number(p)}
    for caption, low, high in PARTS:
        some = [p for p in pages if number(p) and low <= int(number(p)) <= high]; seen |= set(some)
        if some: out.append(tree(caption, [f"{title(p)} <{p.relative_to(nbs).with_suffix('')}>" for p in some]))
    if lost := [p.name for p in pages if p not in seen]: raise ValueError(f"pages in no part: {lost}")
    return "\n".join([*out, tree("Reference", ["Results: every record <results>", "The library <api/index>"])])


# ------------------------------------------------------------------------------------------------ the library
def escape(text: str) -> str:
    "Plain text for Markdown; what stands in back-ticks stays code."
    parts = re.split(r"(`[^`]+`)", " ".join(str(text).split()))
    return "".join(p.replace("|", r"\|") if k % 2 else re.sub(r"([\\`*_{}\[\]<>|$#~])", r"\\\1", p) for k, p in enumerate(parts))


def unlinked(markdown: str | None) -> str:
    "A page's subtitle, which is Markdown, without links."
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join((markdown or "").split()))


def type_name(anno) -> str:
    "An annotation as one would write it."
    if anno is inspect.Parameter.empty or anno is None: return ""
    text = anno if isinstance(anno, str) else anno.__name__ if inspect.isclass(anno) and not hasattr(anno, "__args__") else str(anno)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def value_name(value) -> str:
    "A default value, short."
    if inspect.isfunction(value) or inspect.isclass(value): return value.__name__
    text = re.sub(r" at 0x[0-9a-f]+", "", repr(value)); text = re.sub(r"\((?:Posix|Windows)Path\('[^']*'\)", "", text)
    return text if len(text) <= 60 else text[:57] + "..."


def signature(f) -> str:
    "Parameters and defaults without types, which the table below gives."
    try: s = inspect.signature(f)
    except (TypeError, ValueError): return "()"
    dull = lambda v: v if v is inspect.Parameter.empty or isinstance(v, (int, float, str, bool, tuple, list, type(None))) and len(repr(v)) < 40 else _Shown(value_name(v))
    return str(s.replace(parameters=[p.replace(annotation=inspect.Parameter.empty, default=dull(p.default)) for k, p in s.parameters.items() if k not in ("self", "cls")], return_annotation=inspect.Signature.empty))


class _Shown:
    "Prints as it is told."
    def __init__(self, text): self.text = text
    def __repr__(self): return self.text


def parameters(f) -> str:
    "fastcore's docments as a table."
    from fastcore.docments import docments
    try: found = docments(f, full=True)
    except (TypeError, ValueError, OSError, KeyError, SyntaxError): return ""
    rows = []
    for k, d in found.items():
        if k in ("self", "cls"): continue
        kind, text = type_name(d.get("anno")), escape(d.get("docment") or "")
        if k == "return":
            if kind or text: rows.append(("*returns*", text, kind, ""))
        else: rows.append((f"{{code}}`{k}`", text, kind, "" if d.get("default") is inspect.Parameter.empty else value_name(d.get("default"))))
    if not any(kind or text for _, text, kind, _ in rows): return ""
    code = lambda t: "{code}`" + t.replace("`", "'").replace("|", r"\|") + "`" if t else ""
    n = 4 if any(v for *_, v in rows) else 3
    return "|" + "|".join(["parameter", "meaning", "type", "default"][:n]) + "|\n" + "|---" * n + "|\n" + "".join("|" + "|".join([name, text, code(kind), code(v)][:n]) + "|\n" for name, text, kind, v in rows) + "\n"


def source_of(f) -> str:
    "The source, folded."
    try: text = inspect.getsource(f).rstrip()
    except (OSError, TypeError): return ""
    return f"```{{raw}} html\n<details class=\"source\"><summary>Source</summary>\n```\n\n`````{{code-block}} python\n{text}\n`````\n\n```{{raw}} html\n</details>\n```\n\n"


def entry(kind: str, name: str, thing, inner: str = "", source: bool = True) -> str:
    "One function, class or method."
    doc = (thing.__dict__.get("__doc__") if inspect.isclass(thing) else getattr(thing, "__doc__", "")) or ""
    if kind == "class" and doc.startswith(f"{name}("): doc = ""                                       # made by dataclass
    call = "" if kind in ("property", "data") else signature(thing)
    fence = "::::::" if kind in ("function", "class") else ":::::"
    return f"{fence}{{py:{kind}}} {name}{call}\n\n{escape(inspect.cleandoc(doc))}\n\n{'' if kind == 'property' else parameters(thing)}{inner}{source_of(thing) if source else ''}{fence}\n\n"


def methods(cls, known: set) -> str:
    "Public methods of a class that say something about themselves."
    out = []
    for name, m in vars(cls).items():
        if name.startswith("_") and name not in ("__call__", "__getitem__"): continue
        kind, f = ("property", m.fget) if isinstance(m, property) else ("method", getattr(m, "__func__", m))
        if inspect.isfunction(f) and (f.__doc__ or name == "forward") and "dataclasses" not in str(getattr(f, "__module__", "")): out.append(entry(kind, f"{cls.__name__}.{name}", f, source=False))
    return "".join(out)


def api_page(module: str, page: str, heading: str) -> tuple[str, list[str]]: # its text, the names it describes
    "A module's functions and classes."
    m = importlib.import_module(f"vsa_nb.{module}"); names = list(m.__all__)
    out = [f"# vsa_nb.{module}\n\n```{{py:module}} vsa_nb.{module}\n```\n\n{unlinked(m.__doc__)}\n\nExplained and tested on page [{heading}](../{page}).\n"]
    for name in names:
        thing = getattr(m, name)
        if inspect.isclass(thing): out.append(entry("class", name, thing, methods(thing, set(names))))
        elif callable(thing) and hasattr(thing, "__name__"): out.append(entry("function", name, inspect.unwrap(thing)))
        else: out.append(f"::::::{{py:data}} {name}\n\n`{value_name(thing).replace('`', chr(39))}`\n::::::\n\n")
    return "\n".join(out), names


# ------------------------------------------------------------------------------------------------ results
def md_table(frame) -> str:
    "A DataFrame of texts as Markdown, its index as first column."
    lines = ["| |" + "|".join(escape(c) for c in frame.columns) + "|", "|---|" + "---:|" * len(frame.columns)]
    return "\n".join(lines + [f"|{i}|" + "|".join(str(x) for x in row) + "|" for i, row in zip(frame.index, frame.values)]) + "\n"


def results_page(results: Path, source: Path) -> str:
    "A table of means and one of every run record, for each folder of records."
    import pandas as pd
    from vsa_nb.results import load_records, summarise
    out = ["# Results: every record\n\nA run writes a record: its metrics on one split, with configuration, seed, commit, data and machine. These are the records of `nbs/results`, "
           "which the tables of Part IV read as well; each name leads to its file.\n"]
    for folder in sorted({f.parent for f in results.rglob("record*.json")}) if results.is_dir() else []:
        records, rows = load_records(folder), []; (source / "records").mkdir(exist_ok=True)
        plain = [{**r, "metrics": {k: v for k, v in r["metrics"].items() if isinstance(v, (int, float))}} for r in records]
        for r in plain:
            copy = f"{folder.name}-{Path(r['file']).name}"; shutil.copy(folder / r["file"], source / "records" / copy)
            rows.append({"row": f"{{download}}`{r['name'].replace('`', '')} <records/{copy}>`", "split": r.get("split", "-"), "seed": r["seed"], **{k: f"{v:.1f}" for k, v in r["metrics"].items()},
                         "minutes": f"{r['seconds'] / 60:.0f}", "commit": f"{{code}}`{r['commit'][:7]}`", "machine": escape(r["device"])})
        out.append(f"## {escape(folder.relative_to(results))}\n\n{len(records)} records.\n")
        test = [r for r in plain if r.get("split", "test") == "test"]; where = lambda r: r.get("dataset") or ("world" if r["name"].startswith("world") else "")
        for place in dict.fromkeys(map(where, test)):                                          # scenes are no photographs: a table for each data set
            mean, std = summarise([r for r in test if where(r) == place]); cell = lambda m, s: "-" if pd.isna(m) else f"{m:.1f}" + ("" if pd.isna(s) else f"\u00a0±\u00a0{s:.1f}")
            mine = pd.DataFrame([[cell(m, s) for m, s in zip(*rows2)] for rows2 in zip(mean.values, std.values)], [escape(n) for n in mean.index], mean.columns)
            out.append(f"On the test split{' of ' + escape(place) if place else ''}, means over seeds with their deviation.\n\n{md_table(mine)}")
        frame = pd.DataFrame(rows).fillna("-").sort_values(["split", "row", "seed"]).set_index("row")
        out.append(f"Every record.\n\n{md_table(frame)}")
    if len(out) == 1: out.append("There are no records yet.\n")
    return "\n".join(out)


# ------------------------------------------------------------------------------------------------ all sources
def links_to_absent(page: Path, nbs: Path) -> list[str]:
    "Links of a page to notebooks that are not there."
    text = "\n".join("".join(c["source"]) for c in json.loads(page.read_text())["cells"] if c["cell_type"] == "markdown")
    return [t for t in re.findall(r"\]\(([^)#\s]+\.ipynb)\)", text) if not (page.parent / t).exists()]


def write_sources(source: Path, draft: bool = False) -> list[str]: # links that a draft leaves out
    "Everything Sphinx reads. Raises ValueError for a link to a page that is not there, except in a draft."
    nbs = root / "nbs"; pages = find_pages(nbs); missing = []
    shutil.rmtree(source, ignore_errors=True); (source / "api").mkdir(parents=True)
    if (root / "docs" / "photos").is_dir(): shutil.copytree(root / "docs" / "photos", source / "photos")
    modules = {p: m for p in pages if (m := module_of(json.loads(p.read_text())))}
    for p in pages:
        nb = site_page(p, nbs, modules)
        for t in links_to_absent(p, nbs):
            missing.append(f"{p.relative_to(nbs)} -> {t}")
            for c in nb["cells"]: c["source"] = re.sub(rf"\[([^\]]*)\]\({re.escape(t)}\)", r"\1", "".join(c["source"])) if c["cell_type"] == "markdown" else c["source"]
        if p.name == "index.ipynb": nb["cells"].append(markdown(toctrees(pages, nbs)) | {"id": "parts"})
        to = source / p.relative_to(nbs); to.parent.mkdir(parents=True, exist_ok=True); to.write_text(json.dumps(nb))
    if missing and not draft: raise ValueError("links to pages that are not there (write the page, mend the link, or build a draft with --draft):\n  " + "\n  ".join(missing))
    names, listed = {}, []
    for p, module in modules.items():
        text, some = api_page(module, str(p.relative_to(nbs)), title(p)); (source / "api" / f"{module}.md").write_text(text)
        listed.append(f"{module} <{module}>"); names[module] = some
    intro = "# The library\n\nThe modules that the pages export, in reading order. Tables of parameters are read from the comments in the source.\n\n"
    rows = "".join(f"- {{py:mod}}`vsa_nb.{m}`, [{title(p)}](../{p.relative_to(nbs)}): {unlinked(importlib.import_module(f'vsa_nb.{m}').__doc__)}\n" for p, m in modules.items())
    (source / "api" / "index.md").write_text(intro + rows + "\n```{toctree}\n:hidden:\n\n" + "\n".join(listed) + "\n```\n")
    (source / "results.md").write_text(results_page(nbs / "results", source))
    own = {str(p.relative_to(nbs).with_suffix("")): m for p, m in modules.items()}
    (source / "names.json").write_text(json.dumps({"modules": names, "page_module": own, "imports": {str(p.relative_to(nbs).with_suffix("")): imported(p) for p in pages}}))
    return missing


def imported(page: Path) -> list[str]:
    "Modules of the library that a page imports from."
    code = "\n".join("".join(c["source"]) for c in json.loads(page.read_text())["cells"] if c["cell_type"] == "code")
    return sorted(set(re.findall(r"^\s*from vsa_nb\.([\w.]+) import", code, re.M)))


def fetch_mathjax(build: Path) -> Path: # a folder with tex-chtml.js
    "MathJax and its fonts from npm, once, into docs/_build. Raises SystemExit that says what to do."
    packages, to = build / "node_modules", build / "mathjax"
    if (to / MATHJAX).exists(): return to
    if not (packages / "mathjax" / "tex-chtml.js").exists():
        if not (npm := shutil.which("npm")): raise SystemExit("The site's mathematics needs MathJax, which comes from npm: install Node.js (on Debian or Ubuntu: apt install npm), then run make site again")
        build.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([npm, "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(build), f"mathjax@{MATHJAX}"], capture_output=True, text=True)
        if done.returncode: raise SystemExit(f"npm could not fetch mathjax {MATHJAX}:\n{done.stderr[-800:]}")
    shutil.rmtree(to, ignore_errors=True); font = packages / "@mathjax" / "mathjax-newcm-font" / "chtml"
    to.mkdir(); shutil.copy(packages / "mathjax" / "tex-chtml.js", to); shutil.copytree(packages / "mathjax" / "a11y", to / "a11y")
    shutil.copytree(font, to / "fonts" / "mathjax-newcm-font" / "chtml"); shutil.copy(packages / "mathjax" / "LICENSE", to)
    (to / MATHJAX).touch(); return to


# ------------------------------------------------------------------------------------------------ checks of the finished pages
class _Links(HTMLParser):
    "What a page refers to, and the places in it that others may refer to."
    def __init__(self): super().__init__(); self.loads, self.links, self.ids = [], [], set()
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if a.get("id"): self.ids.add(a["id"])
        if tag == "a":
            if a.get("name"): self.ids.add(a["name"])
            if a.get("href"): self.links.append(a["href"])
        elif tag == "link" and a.get("href"): (self.loads if set((a.get("rel") or "").split()) & {"stylesheet", "icon", "preload", "modulepreload", "shortcut", "preconnect", "dns-prefetch"} else self.links).append(a["href"])
        else: self.loads += [v for k in ("src", "poster", "data") if (v := a.get(k)) and tag in ("img", "script", "iframe", "video", "audio", "source", "embed", "object")]


def check(html: Path) -> list[str]: # problems, one a line
    "Links without a target, things loaded from elsewhere, and paths of the machine that built the site."
    read = {}
    for f in html.rglob("*.html"):
        if "_static" in f.parts: continue                                     # the theme's own templates
        read[f.resolve()] = p = _Links(); p.feed(f.read_text(encoding="utf-8"))
    out = []
    for f, p in read.items():
        name = f.relative_to(html.resolve())
        for url in p.loads + p.links:
            u = urlsplit(url)
            if u.scheme in ("http", "https") or url.startswith("//"):
                if url in p.loads: out.append(f"{name} loads {url}")
            elif u.scheme in ("mailto", "data", "javascript"): continue
            else:
                to = (f.parent / unquote(u.path)).resolve() if u.path else f
                if to.is_dir(): to = to / "index.html"
                if not to.exists(): out.append(f"{name}: no file {url}")
                elif u.fragment and to in read and unquote(u.fragment) not in read[to].ids: out.append(f"{name}: no place {url}")
        text = f.read_text(encoding="utf-8")
        if m := re.search(r"(?<![\w.:/-])/(work|root|home|tmp)/[\w.-]+", text): out.append(f"{name} holds a machine path: {m[0]}")
    for css in html.rglob("*.css"):
        out += [f"{css.name} loads {u}" for u in re.findall(r"""(?:@import\s*|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", css.read_text(encoding="utf-8", errors="replace"))]
    return out


def restore_notebooks(html: Path, nbs: Path):
    "What readers download is the notebook itself, not its form on the site."
    for f in (html / "_sources").rglob("*.ipynb"): shutil.copy(nbs / f.relative_to(html / "_sources"), f)


def main(argv=None) -> int:
    p = argparse.ArgumentParser(description="Build the site into docs/_build/html.")
    p.add_argument("--out", type=Path, default=root / "docs" / "_build", help="folder for sources and pages")
    p.add_argument("--draft", action="store_true", help="links to pages that are not written yet become plain text")
    a = p.parse_args(argv); sys.path.insert(0, str(root))
    mathjax = fetch_mathjax(root / "docs" / "_build"); source, html = a.out / "source", a.out / "html"
    try: missing = write_sources(source, a.draft)
    except ValueError as e: print(e, file=sys.stderr); return 1
    for m in missing: print(f"draft: left out a link, {m}")
    shutil.copytree(mathjax, source / "_static" / "mathjax", dirs_exist_ok=True); shutil.copy(root / "docs" / "style.css", source / "_static")
    shutil.rmtree(html, ignore_errors=True)
    from sphinx.cmd.build import main as sphinx
    if code := sphinx(["-b", "html", "-c", str(root / "docs"), "-d", str(a.out / "doctrees"), "-W", "--keep-going", "-n", "-q", "-E", str(source), str(html)]): return code
    restore_notebooks(html, root / "nbs")
    if problems := check(html): print("\n".join(problems), file=sys.stderr); return 1
    print(f"{len(list(html.rglob('*.html')))} pages in {html if a.out != root / 'docs' / '_build' else 'docs/_build/html'}; open index.html there"); return 0


if __name__ == "__main__": sys.exit(main())
