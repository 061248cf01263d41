"Sphinx configuration of the site; docs/build.py writes what it reads into docs/_build/source."
import json
from configparser import ConfigParser
from pathlib import Path
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.transforms import SphinxTransform

_ini = ConfigParser(delimiters=["="]); _ini.read(Path(__file__).resolve().parent.parent / "settings.ini", encoding="utf-8")
project, author, copyright, release = "vsa_nb", "The vsa_nb authors", "The vsa_nb authors, Apache-2.0", _ini["DEFAULT"]["version"]
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_render_markdown_format = "gfm"
nb_mime_priority_overrides = [("html", "text/html", 0)]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
nitpicky = True
suppress_warnings = ["myst.header"]            # a page's headings may skip a level
mathjax_path = "mathjax/tex-chtml.js"
mathjax4_config = {"loader": {"paths": {"fonts": "[mathjax]/fonts"}}, "output": {"displayOverflow": "scroll"},
                   "options": {"menuOptions": {"settings": {"enrich": False, "speech": False, "braille": False, "assistiveMml": True}}}}   # speech needs a worker, which pages opened from disk may not start
html_theme = "sphinx_book_theme"
html_title = "vsa_nb"
html_favicon = "favicon.svg"
html_context = {"default_mode": "auto"}
html_css_files = ["style.css"]
html_show_sphinx = False
html_theme_options = {"show_navbar_depth": 1, "max_navbar_depth": 2, "show_toc_level": 2, "use_download_button": True, "use_fullscreen_button": False, "home_page_in_toc": True,
                      "navbar_start": [], "navbar_center": [], "navbar_end": [], "navbar_persistent": [], "toc_title": "On this page", "show_prev_next": True}
html_sidebars = {"**": ["navbar-logo.html", "search-button-field.html", "sbt-sidebar-nav.html"]}
html_last_updated_fmt = None
python_use_unqualified_type_names = True
add_module_names = False
exclude_patterns = []


class LinkNames(SphinxTransform):
    "Exported names in back-ticks become links to the library's pages."
    default_priority = 700

    def apply(self, **_):
        names = self.config.vsa_names; doc = self.env.docname
        near = [names["page_module"].get(doc), *names["imports"].get(doc, [])]
        if doc.startswith("api/"): near.insert(0, doc.removeprefix("api/"))
        for node in list(self.document.findall(nodes.literal)):
            if any(isinstance(p, (nodes.reference, nodes.title, pending_xref, nodes.literal_block)) for p in self._above(node)) or {"xref", "code"} & set(node.get("classes", [])): continue
            if target := find_name(node.astext(), names["modules"], near):
                kind, full = target; ref = pending_xref("", refdomain="py", reftype=kind, reftarget=full, refexplicit=True, refwarn=True, **{"py:module": None, "py:class": None})
                node.replace_self(ref); ref += node

    @staticmethod
    def _above(node):
        while (node := node.parent) is not None: yield node


def find_name(text: str, modules: dict, near: list): # -> (role, full name) or None
    "What a piece of code names: a module, or something exported; of two of one name the page's own, then an imported one."
    text = text.strip().split("(")[0]
    if text.removeprefix("vsa_nb.") in modules and text.startswith("vsa_nb."): return ("mod", text)
    text = text.removeprefix("vsa_nb.")
    if not text or not text.replace(".", "").replace("_", "").isalnum(): return None
    head, _, tail = text.rpartition(".")
    if head in modules and tail in modules[head]: return ("obj", f"vsa_nb.{head}.{tail}")
    if head and not head[0].islower(): text = head                                                  # a method: its class
    owners = [m for m, some in modules.items() if text in some]
    mine = [m for m in near if m in owners]
    if mine: return ("obj", f"vsa_nb.{mine[0]}.{text}")
    return ("obj", f"vsa_nb.{owners[0]}.{text}") if len(owners) == 1 and len(text) > 3 else None


def setup(app):
    app.add_config_value("vsa_names", {"modules": {}, "page_module": {}, "imports": {}}, "env")
    def load(app, config):
        config.html_static_path = [str(Path(app.srcdir) / "_static")]
        if (f := Path(app.srcdir) / "names.json").exists(): config.vsa_names = json.loads(f.read_text())
    app.connect("config-inited", load); app.add_transform(LinkNames)
    return {"parallel_read_safe": True}
