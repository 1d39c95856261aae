import Testing

/// Every sample of README.md and docs/ stands in a Swift file that the build compiles.
///
/// The lines of a ```` ```swift ```` block have to stand there one after the other. Indentation, blank lines and the number of blanks
/// within a line do not count. A line of the file that ends with `// hidden` is passed over: a sample is wrapped in a function, or its
/// values are used, where the page need not show it.
///
/// A block on whose line before stands `<!-- not compiled: the reason -->` is left out, and so is a block with a file name behind
/// its language on a page with `<!-- replayed -->`: `scripts/check/replay` writes and builds it.
@Suite(.timeLimit(.minutes(1)))
struct SamplesTests {
    struct Sample: Sendable {
        let place: String
        let lines: [String]

        init(_ block: Page.Block, of page: Page) {
            place = "\(page.path):\(block.line)"
            lines = block.code.map(\.normalized).filter { !$0.isEmpty }
        }

        /// Whether the lines stand in a file one after the other.
        func stands(in file: [String]) -> Bool {
            guard let first = lines.first else { return true }
            return file.indices.contains { file[$0] == first && file[$0...].starts(with: lines) }
        }
    }

    /// The lines of a file against which samples are compared.
    private static func lines(of text: String) -> [String] {
        text.split(separator: "\n").map(\.normalized).filter { !$0.isEmpty && !$0.hasSuffix("// hidden") }
    }

    private static let files = Repository.compiled.map { lines(of: Repository.text(of: $0)) }

    private static func reason(in remark: Substring?) -> Substring? {
        remark?.firstMatch(of: /^<!-- not compiled: (.+) -->$/)?.1
    }

    private static func isReplayed(_ block: Page.Block, of page: Page) -> Bool {
        block.info.count > 1 && page.lines.contains { $0.trimmed == "<!-- replayed -->" }
    }

    @Test(arguments: Repository.guides)
    func `every sample of a page is compiled`(page: Page) {
        for block in page.blocks where block.info.first == "swift" && !Self.isReplayed(block, of: page) {
            if Self.reason(in: block.remark) != nil { continue }
            let sample = Sample(block, of: page)
            let stands = Self.files.contains { sample.stands(in: $0) }
            #expect(stands, "\(sample.place): no compiled Swift file has the lines of this sample one after the other")
        }
    }

    @Test func `few samples are left out, each for a reason`() {
        let remarks = Repository.guides.flatMap { page in
            page.lines.filter { $0.contains("<!-- not compiled") }.map { (page.path, $0.trimmed) }
        }
        for (path, remark) in remarks { #expect(Self.reason(in: remark) != nil, "\(path): no reason in \(remark)") }
        #expect(remarks.count <= 10)
    }

    @Test func `a sample that differs in a word, a line or the order of lines is found`() {
        let file = Self.lines(
            of: """
                    func a() {  // hidden
                        let value = try client.get(url)      // blocking

                        print(value)
                        use(value)  // hidden
                        return value
                    }
                """)
        func stands(_ code: String) -> Bool {
            let block = Page.Block(info: ["swift"], line: 1, code: code.split(separator: "\n"), remark: nil)
            return Sample(block, of: Page("README.md")).stands(in: file)
        }
        #expect(stands("let value = try client.get(url)  // blocking\nprint(value)\n    return value\n}"))
        #expect(!stands("let value = try client.post(url)  // blocking\nprint(value)"))
        #expect(!stands("let value = try client.get(url)  // blocking\nreturn value"))
        #expect(!stands("return value\nprint(value)"))
    }
}
