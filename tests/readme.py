"README.md is nbs/index.ipynb as Markdown: `python tests/readme.py --write` makes it, `--check` compares."
import re, sys
from pathlib import Path
import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

root = Path(__file__).resolve().parent.parent


def render() -> tuple[str, dict]:
    "The text of the README, and its pictures by file name."
    nb = nbformat.read(root / "nbs" / "index.ipynb", as_version=4)
    nb.cells = [c for c in nb.cells if not c.source.startswith("#| hide")]
    for c in nb.cells:
        if c.source.startswith("#| echo: false"): c.metadata["tags"] = ["remove_input"]
    exporter = MarkdownExporter(config=Config({"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": {"remove_input"}},
                                               "NbConvertBase": {"display_data_priority": ["text/markdown", "image/png", "text/html", "text/plain"]}}))
    text, resources = exporter.from_notebook_node(nb)
    pictures = {}
    for i, (name, data) in enumerate(resources["outputs"].items()):
        pictures[f"docs/readme_{i}.png"] = data; text = text.replace(f"({name})", f"(docs/readme_{i}.png)")
    text = re.sub(r"\]\(([\w/]+\.ipynb)\)", r"](nbs/\1)", text)
    text = re.sub(r"\s*!\[png\]\((\S+)\)\s*", r"\n\n![Rendered scenes with their sentences](\1)\n\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", pictures


def main():
    text, pictures = render()
    files = {"README.md": text.encode(), **pictures}
    if "--write" in sys.argv:
        for name, data in files.items(): (root / name).parent.mkdir(exist_ok=True); (root / name).write_bytes(data)
    wrong = [n for n, data in files.items() if not (root / n).is_file() or (root / n).read_bytes() != data]
    if wrong: sys.exit(f"{', '.join(wrong)} differ from nbs/index.ipynb: run `make readme`")


if __name__ == "__main__": main()
