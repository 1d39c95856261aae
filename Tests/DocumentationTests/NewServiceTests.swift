import Glibc
import Testing

/// `scripts/new-service`, without building what it makes, and the template of the new packages. `.ci/run` builds a new package.
@Suite(.timeLimit(.minutes(1)))
struct NewServiceTests {
    /// Runs the script. Returns its exit code, its output, and the text of the new package's manifest and tests.
    private func newService(_ arguments: String) throws -> (status: Int32, output: String, manifest: String, tests: String) {
        var template = Array("/tmp/tandem-new-service.XXXXXX".utf8CString)
        let directory = String(cString: try #require(mkdtemp(&template)))
        defer { _ = try? shell("rm -r '\(directory)'") }
        let (status, output) = try shell("'\(Repository.root)/scripts/new-service' --path '\(directory)' \(arguments) 2>&1")
        let (_, manifest) = try shell("cat '\(directory)/Package.swift' 2>/dev/null")
        let (_, tests) = try shell("cat '\(directory)'/Tests/*/*.swift 2>/dev/null")
        return (status, output, manifest, tests)
    }

    @Test(arguments: [
        "greeting", "setting", "settings", "guest-book", "request", "hub", "hello", "import", "test", "http", "Shop", "a--b",
    ])
    func `a name that the package cannot have is refused`(name: String) throws {
        let made = try newService(name)
        #expect(made.status == 64, "\(made.output)")
        #expect(made.manifest.isEmpty)
    }

    @Test func `a name that contains the template's is written as it is`() throws {
        let made = try newService("web-greeter")
        #expect(made.status == 0, "\(made.output)")
        #expect(made.manifest.contains(#"name: "WebGreeterTests""#))
        #expect(made.tests.contains("@testable import web_greeter\n"))
        #expect(made.tests.contains("struct WebGreeterTests"))
    }

    @Test func `a package depends on a checkout, or on a branch or version of a repository`() throws {
        let checkout = try newService("shop")
        #expect(checkout.manifest.contains(#"path: Context.environment["TANDEM_CHECKOUT"] ?? "\#(Repository.root)")"#))
        let url = "https://git.example.com/Tandem.git"
        let main = try newService("shop --tandem \(url)")
        #expect(main.manifest.contains(#"dependencies: [.package(url: "\#(url)", branch: "main")],"#))
        #expect(main.manifest.contains(#".product(name: "TandemHTTP", package: "tandem")"#))
        let branch = try newService("shop --tandem \(url) --branch next")
        #expect(branch.manifest.contains(#"dependencies: [.package(url: "\#(url)", branch: "next")],"#))
        let version = try newService("shop --tandem \(url) --from 1.2.0")
        #expect(version.manifest.contains(#"dependencies: [.package(url: "\#(url)", from: "1.2.0")],"#))
        for wrong in ["--from 1.2.0", "--tandem \(url) --from next", "--tandem \(url) --from 1.2.0 --branch main"] {
            #expect(try newService("shop \(wrong)").status == 64)
        }
    }

    /// The lines of a file that are neither comments nor texts for people.
    private func effective(_ path: String) -> [String] {
        let text = Repository.text(of: path).replacing("greeter", with: "tandemd")
        let passedOver = ["#", "Description=", "Documentation="]
        return text.split(separator: "\n").map(String.init).filter { line in !passedOver.contains { line.hasPrefix($0) } }
    }

    @Test(arguments: ["service", "socket"])
    func `the template's units are those of tandemd with another name`(kind: String) {
        let unit = effective("config/tandemd.\(kind)")
        #expect(!unit.isEmpty)
        #expect(effective("Examples/Greeter/deploy/greeter.\(kind)") == unit)
    }

    @Test func `the template's toolset is that of tandemd`() {
        #expect(effective("Examples/Greeter/deploy/static-toolset.json") == effective("config/static-toolset.json"))
    }

    @Test func `the template's image runs as that of tandemd`() throws {
        func lastStage(_ path: String) throws -> ArraySlice<String> {
            let lines = effective(path)
            return lines[try #require(lines.lastIndex { $0.hasPrefix("FROM ") })...]
        }
        #expect(try Array(lastStage("Examples/Greeter/Dockerfile")) == Array(lastStage("Dockerfile")))
    }
}
