internal import Glibc
internal import Testing

/// Some pages name the test behind each row of their tables. These tests look them up in the sources.
@Suite(.timeLimit(.minutes(1)))
struct DocumentedTestsTests {
    /// A page, and the number of rows that it exceeds.
    struct Page: Sendable, CustomTestStringConvertible {
        let path: String
        let rows: Int
        var testDescription: String { path }
    }

    private static let pages = [Page(path: "Tests/Parity/README.md", rows: 380), Page(path: "docs/threat-model.md", rows: 45)]

    /// The package's directory, with links resolved: the package may be built through one.
    private static let root = {
        let here = realpath(#filePath, nil)!
        defer { free(here) }
        return String(cString: here).split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    }()

    private static func read(_ path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw Unexpected("no file \(path)") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The paths of all files below a folder.
    private static func files(below folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [folder] }
        defer { closedir(directory) }
        var found: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) }
            if !name.hasPrefix(".") { found += files(below: "\(folder)/\(name)") }
        }
        return found
    }

    /// The source of each suite by its file's name. If two targets have a suite of the same name, the sources of both.
    private static let suites = {
        (files(below: "\(root)/Tests") + files(below: "\(root)/Examples/embed/Tests")).filter { $0.hasSuffix("Tests.swift") }
            .reduce(into: [String: String]()) { suites, path in
                suites[String(path.split(separator: "/").last!.dropLast(6)), default: ""] += (try? read(path)) ?? ""
            }
    }()

    private static func isTest(_ name: String, in source: String) -> Bool {
        source.contains("func `\(name)`") || source.contains("\"\(name)\"") || source.contains("func \(name)(")
    }

    /// A citation: `Suite` or `Suite/name of the test`, between backticks.
    private struct Reference: Hashable {
        let suite: String
        let test: String?

        init?(_ text: Substring) {
            let parts = text.split(separator: "/", maxSplits: 1)
            guard let suite = parts.first, suite.hasSuffix("Tests"), !suite.contains(" ") else { return nil }
            self.suite = String(suite)
            test = parts.count == 2 ? String(parts[1]) : nil
        }
    }

    /// The rows of the page's tables, without the header rows.
    private static func rows(of page: Page) throws -> [Substring] {
        try read("\(root)/\(page.path)").split(separator: "\n")
            .filter { $0.hasPrefix("| ") && !$0.hasPrefix("| ---") && !$0.hasSuffix("| test |") }
    }

    /// A row's last cell: the tests, or the reason why there is none.
    private static func evidence(of row: Substring) -> Substring {
        row.split(separator: "|", omittingEmptySubsequences: false).dropLast().last!.drop { $0 == " " }
    }

    private static func references(in cell: Substring) -> [Reference] {
        cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap { index, text in
            index.isMultiple(of: 2) ? nil : Reference(text)
        }
    }

    @Test(arguments: pages)
    func `every test that a page names exists`(page: Page) throws {
        let references = Set(try Self.rows(of: page).flatMap { Self.references(in: Self.evidence(of: $0)) })
        #expect(references.count * 2 > page.rows)
        for reference in references {
            let source = Self.suites[reference.suite] ?? ""
            #expect(source.contains("@Test"), "no suite \(reference.suite)")
            if let test = reference.test { #expect(Self.isTest(test, in: source), "\(reference.suite) has no test `\(test)`") }
        }
        #expect(!Self.isTest("an event is sent", in: Self.suites["EventTests"] ?? ""), "the whole name counts")
    }

    @Test(arguments: pages)
    func `every row of a page names a test or gives a reason`(page: Page) throws {
        let rows = try Self.rows(of: page)
        #expect(rows.count > page.rows)
        for row in rows {
            let evidence = Self.evidence(of: row)
            #expect(!Self.references(in: evidence).isEmpty || evidence.hasPrefix("none: "), "no test and no reason: \(row)")
        }
    }
}
