import Testing

/// Every relative link leads to a file, and every anchor to a heading.
@Suite(.timeLimit(.minutes(1)))
struct LinksTests {
    @Test(arguments: Repository.pages)
    func `the links of a page lead somewhere`(page: Page) {
        for (number, target) in page.links where target.firstMatch(of: /^[a-z]+:/) == nil {
            let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let path = parts[0].isEmpty ? page.path : resolve(parts[0], from: page.path)
            #expect(Repository.exists(path), "\(page.path):\(number): no file \(path)")
            guard parts.count == 2, path.hasSuffix(".md") else { continue }
            #expect(
                Page(path).anchors.contains(String(parts[1])), "\(page.path):\(number): no heading for #\(parts[1]) in \(path)")
        }
    }

    @Test func `every guide stands in the index, once`() {
        let index = Page("docs/README.md")
        let listed = index.lines.filter { $0.hasPrefix("- [") }.compactMap { $0.firstMatch(of: /\]\(([^)#]*)/)?.1 }
        for page in Repository.guides where page.path.hasPrefix("docs/") && page.path != index.path {
            let name = page.path.dropFirst(5)
            #expect(listed.count { $0 == name } == 1, "docs/README.md does not list \(name) once")
        }
    }

    @Test func `anchors are those of GitHub`() {
        #expect(Page("docs/http-server.md").anchors.contains("a-closures-own-style-decides"))
        #expect(Page("docs/outbound.md").anchors.contains("allow-list-and-address-policy-ssrf"))
    }

    /// A path relative to the folder of a page, from the root.
    private func resolve(_ target: Substring, from page: String) -> String {
        var parts = page.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }
}
