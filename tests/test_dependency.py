"""Dependency edges through spaCy's own parser, trained here on two sentences; skipped where spaCy is absent (it is optional)."""
import pytest

spacy = pytest.importorskip("spacy", reason="spaCy is not installed: dependency edges are optional")

SENTENCES = {"a dog chases the red ball": [1, 2, -1, 5, 5, 2], "the cat sees a small mouse": [1, 2, -1, 5, 5, 2]}


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    "A folder that `spacy.load` takes, like any downloaded model."
    from spacy.training import Example
    nlp = spacy.blank("en"); nlp.add_pipe("parser", config={"min_action_freq": 1}); examples = []
    for s, heads in SENTENCES.items():
        words = s.split(); deps = ["ROOT" if h < 0 else "dep" for h in heads]
        examples.append(Example.from_dict(nlp.make_doc(s), {"words": words, "heads": [k if h < 0 else h for k, h in enumerate(heads)], "deps": deps}))
    spacy.util.fix_random_seed(0); optimizer = nlp.initialize(lambda: examples)
    for _ in range(60): nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("parser"); nlp.to_disk(path); return str(path)


def test_heads_are_those_of_the_parser(parser):
    from vsa_nb.brnn import dependency_partners
    for s, heads in SENTENCES.items(): assert dependency_partners(s.split(), parser) == heads


def test_edges_go_into_bigrams(parser):
    import torch
    from vsa_nb.brnn import Bigrams, dependency_partners
    words = "a dog chases the red ball".split(); torch.manual_seed(0); model = Bigrams(10, 8, h=4).eval()
    tokens, n = torch.arange(1, 7)[None], torch.tensor([6]); partners = torch.tensor([dependency_partners(words, parser)])
    edges, before = model(tokens, n, partners=partners), model(tokens, n)
    assert edges.shape == before.shape == (1, 6, 4) and not torch.allclose(edges[0, 4], before[0, 4]) and torch.allclose(edges[0, 5], model(tokens, n, partners=torch.tensor([[-1] * 5 + [2]]))[0, 5])


def test_the_parser_is_loaded_once(parser, monkeypatch):
    from vsa_nb.brnn import _parser, dependency_partners
    _parser.cache_clear(); loaded, load = [], spacy.load; monkeypatch.setattr(spacy, "load", lambda name: loaded.append(name) or load(name))
    for s in 2 * list(SENTENCES): dependency_partners(s.split(), parser)
    assert loaded == [parser]
