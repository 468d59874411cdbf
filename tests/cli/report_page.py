"""Judges a static page of `ioasim report`: well-formed XML in which ids are unique, links lead
somewhere inside, nothing loads or acts, tables and pictures have names. Prints what is wrong."""

import sys
import xml.etree.ElementTree as tree


def problems(page):
    ids = [node.get("id") for node in page.iter() if node.get("id")]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        yield f"ids that stand twice: {twice[:5]}"
    for node in page.iter():
        name = node.tag.rsplit("}", 1)[-1]
        target = node.get("href", "")
        if target and not target.startswith("#"):
            yield f"a link that leaves the page: {target}"
        elif target and target[1:] not in ids:
            yield f"a link to nowhere: {target}"
        if any(key in ("src", "style") or key.startswith("on") for key in node.keys()):
            yield f"loads, styles or acts by itself: {name} {dict(node.items())}"
        if name in ("script", "iframe", "object", "embed", "link", "base", "form", "img"):
            yield f"an element that a static page has not: {name}"
        if name == "table" and not (len(node) and (node[0].text or "").strip()):
            yield "a table without a caption"
        if name == "svg" and not any(node.get(key) for key in (
                "aria-label", "aria-labelledby", "aria-hidden")):
            yield "a picture without a name"


text = open(sys.argv[1], encoding="utf-8").read()
for problem in problems(tree.fromstring(text.replace("<!DOCTYPE html>\n", "", 1))):
    print(problem)
