import Testing

/// docs/troubleshooting.md has a section for each public error type, which names each of its codes.
@Suite(.timeLimit(.minutes(1)))
struct TroubleshootingTests {
    /// A public error type, with its codes or cases.
    struct ErrorType: Sendable {
        let name: String
        let codes: [String]
    }

    static let types = Repository.files(below: "Sources", suffix: ".swift").flatMap { path -> [ErrorType] in
        let text = Repository.text(of: path)
        return text.matches(of: /(?m)^public (struct|enum|final class) (\w+): ([\w, @]*, )?Error\b/).map { match in
            let codes =
                match.1 == "enum"
                ? text.matches(of: /(?m)^    case (\w+)/).map { String($0.1) }
                : text.matches(of: /public static let (\w+) = Code\(/).map { String($0.1) }
            return ErrorType(name: String(match.2), codes: codes)
        }
    }

    /// The lines of the page below the heading that is the type's name.
    private func section(of type: ErrorType) -> [Substring] {
        let lines = Page("docs/troubleshooting.md").lines
        guard let start = lines.firstIndex(where: { $0 == "### \(type.name)" }) else { return [] }
        return Array(lines[(start + 1)...].prefix { !$0.hasPrefix("#") })
    }

    @Test func `every code of every public error is explained`() {
        for type in Self.types {
            let section = section(of: type)
            #expect(!section.isEmpty, "no section \(type.name)")
            for code in type.codes {
                #expect(section.contains { $0.hasPrefix("| `\(code)` |") }, "\(type.name): no row for `\(code)`")
            }
        }
    }

    @Test func `no code is explained that does not exist`() {
        for type in Self.types {
            for row in section(of: type) {
                guard let code = row.firstMatch(of: /^\| `(\w+)` \|/)?.1 else { continue }
                #expect(type.codes.contains(String(code)), "\(type.name) has no code `\(code)`")
            }
        }
    }

    @Test func `the types and codes are found in the sources`() {
        let known = Dictionary(uniqueKeysWithValues: Self.types.map { ($0.name, $0.codes) })
        #expect(known["TandemError"]?.contains("notOnGreenThread") == true)
        #expect(known["HTTPSerializeError"]?.contains("forbiddenTrailer") == true)
        #expect(known["HTTPError"] == [])
        #expect(known.count >= 11)
    }
}
