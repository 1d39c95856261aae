import Testing

/// Blocking calls of the libraries warn in a build with `-DTANDEM_MIGRATION`, so that `scripts/migration-report` counts them.
@Suite(.timeLimit(.minutes(1)))
struct MigrationMarksTests {
    /// The libraries whose blocking calls stay when a service has been ported: its tests may use either style.
    private static let others = "Sources/TandemTesting/"

    /// Calls that have no async form.
    private static let withoutAsyncForm = ["public static func original<Success"]

    @Test func `every public blocking call has the mark`() {
        var marked = 0
        for path in Repository.files(below: "Sources", suffix: ".swift") where !path.hasPrefix(Self.others) {
            let lines = Repository.text(of: path).split(separator: "\n").map(\.trimmed)
            for (number, line) in lines.enumerated() where line == "@available(*, noasync)" {
                let declaration = lines[number...].prefix { !$0.contains("func ") && !$0.contains("init(") }
                guard let name = lines.dropFirst(number + declaration.count).first, name.contains("public ") else { continue }
                if Self.withoutAsyncForm.contains(where: { name.hasPrefix($0) }) { continue }
                let isMarked = declaration.contains("#if TANDEM_MIGRATION")
                #expect(isMarked, "\(path): \(name)")
                if isMarked { marked += 1 }
            }
        }
        #expect(marked >= 60)
    }
}
