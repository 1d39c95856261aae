"""Prepares the input of DocC for scripts/docs.

coverage DIRECTORY       lists the declarations of DIRECTORY/LIBRARY/*.symbols.json that have no documentation
assemble DIRECTORY ...   writes a catalog per library, and one of the guides: every page of docs/

The pages link to each other as files, so that they can be read where the repository is. Here these links become links of DocC.
"""

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def coverage(directory):
    """Returns whether each public declaration in the sources has documentation."""
    counts, missing = {}, []
    for path in sorted(Path(directory).glob("*/*.symbols.json")):
        for symbol in json.loads(path.read_text())["symbols"]:
            # The declarations that the compiler synthesizes, such as init(rawValue:) of an enum, have no location.
            if "location" not in symbol:
                continue
            library = path.parent.name
            counts[library] = counts.get(library, 0) + 1
            if not any(line["text"].strip() for line in symbol.get("docComment", {}).get("lines", [])):
                location = symbol["location"]
                file = location["uri"].split("/Sources/", 1)[-1]
                missing.append(f"Sources/{file}:{location['position']['line'] + 1}: {'.'.join(symbol['pathComponents'])}")
    for name in sorted(missing):
        print(name)
    if not missing:
        print("docs: documented:", ", ".join(f"{library} {count}" for library, count in counts.items()))
    return not missing


def headings(text):
    """Returns the headings of a page, ignoring code blocks."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        match = re.match(r"#{1,6} +(.*?) *#* *$", line)
        if match and not fenced:
            yield match[1]


def plain(heading):
    """Returns the text of a heading without its markup."""
    return LINK.sub(r"\1", heading).replace("`", "").replace("*", "")


def github_anchor(heading):
    """Returns the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", plain(heading).lower()).replace(" ", "-")


def docc_anchor(heading):
    """Returns the anchor that DocC gives a heading."""
    return re.sub(r"[^\w-]", "", "-".join(part for part in re.split(r"[\s-]+", plain(heading)) if part))


class Assembly:
    """A writer of catalogs, which collects the faults in the links between pages."""

    def __init__(self, source_url):
        self.source_url = source_url.rstrip("/")
        self.pages = {path.resolve(): path.stem for path in sorted(GUIDES.glob("*.md"))}
        self.pages[GUIDES / "README.md"] = "Guides"
        self.faults = []

    def rewrite(self, path, inside):
        """Returns the text of a page with links for DocC. `inside` is true if the page is one of the guides."""
        text = re.sub(r"<!--.*?-->\n?", "", path.read_text(), flags=re.DOTALL)
        parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
        # The language of a block; what scripts/check/replay reads behind it is not for DocC.
        parts[1::2] = [re.sub(r"\A(```\w*).*", r"\1", part) for part in parts[1::2]]
        return "".join(part if index % 2 else self.rewrite_prose(part, path, inside) for index, part in enumerate(parts))

    def rewrite_prose(self, text, path, inside):
        def link(match):
            words, target = match[1], match[2]
            if re.match(r"[a-z]+:", target):
                return match[0]
            file, _, anchor = target.partition("#")
            page = (path.parent / file).resolve() if file else path.resolve()
            if page not in self.pages:
                if not page.exists():
                    self.faults.append(f"{path.relative_to(ROOT)}: no file {target}")
                return f"[{words}]({self.source_url}/{os.path.relpath(page, ROOT)})" if self.source_url else words
            name = self.pages[page]
            where = f"/documentation/Guides/{name}" if name != "Guides" else "/documentation/Guides"
            reference = f"doc:{where}"
            if anchor:
                fragments = [docc_anchor(heading) for heading in headings(page.read_text()) if github_anchor(heading) == anchor]
                if not fragments:
                    self.faults.append(f"{path.relative_to(ROOT)}: no heading {target}")
                elif inside:
                    reference += f"#{fragments[0]}"
            # DocC does not show markup inside the text of such a link.
            return f"[{words}]({reference})"

        # DocC finds images by their names, without a directory.
        return LINK.sub(link, re.sub(r"(!\[[^\]]*\]\()images/", r"\1", text))

    def guides(self, catalog):
        catalog.mkdir(parents=True)
        for path, name in self.pages.items():
            if name == "Guides":
                continue
            (catalog / f"{name}.md").write_text(self.rewrite(path, inside=True))
        for image in (GUIDES / "images").iterdir():
            shutil.copy(image, catalog)
        (catalog / "Guides.md").write_text(self.front(GUIDES / "README.md"))

    def front(self, path):
        """Returns the front page: the index, whose lists are also its topics for DocC."""
        text = self.rewrite(path, inside=True)
        head, _, rest = text.partition("\n## ")
        title, _, introduction = head.partition("\n")
        topics, seen = [], set()
        for section in ("## " + rest).split("\n## "):
            name, _, body = section.removeprefix("## ").partition("\n")
            links = [match for match in re.findall(r"^- \[[^\]]*\]\((doc:[^)#]*)\)", body, re.MULTILINE) if match not in seen]
            seen.update(links)
            if links:
                topics.append(f"### {name}\n\n" + "".join(f"- <{link}>\n" for link in links))
        for page, name in self.pages.items():
            if name != "Guides" and f"doc:/documentation/Guides/{name}" not in seen:
                self.faults.append(f"docs/README.md: no link to {page.name}")
        return f"{title}\n\n@Metadata {{\n    @TechnologyRoot\n}}\n{introduction}\n## Topics\n\n" + "\n".join(topics)

    def library(self, catalog, name):
        shutil.copytree(ROOT / "Sources" / name / f"{name}.docc", catalog)
        for page in catalog.rglob("*.md"):
            source = ROOT / "Sources" / name / f"{name}.docc" / page.relative_to(catalog)
            page.write_text(self.rewrite(source, inside=False))


def assemble(directory, source_url, libraries):
    """Writes the catalogs. Returns whether all links have a target."""
    assembly = Assembly(source_url)
    assembly.guides(Path(directory) / "Guides.docc")
    for name in libraries:
        assembly.library(Path(directory) / f"{name}.docc", name)
    for fault in assembly.faults:
        print(fault)
    return not assembly.faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("coverage")
    command.add_argument("directory")
    command = commands.add_parser("assemble")
    command.add_argument("directory")
    command.add_argument("--source-url", default="")
    command.add_argument("libraries", nargs="+")
    options = parser.parse_args()
    if options.command == "coverage":
        good = coverage(options.directory)
    else:
        good = assemble(options.directory, options.source_url, options.libraries)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
