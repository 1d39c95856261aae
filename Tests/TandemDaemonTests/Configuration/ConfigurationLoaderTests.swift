import TandemFetch
import Logging
import Tandem
import TandemHTTP
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct ConfigurationLoaderTests {
    /// Loads the configuration with a file that contains `yaml`.
    private func load(
        _ yaml: String = "", options: [String: [String]] = [:], environment: [String: String] = [:]
    ) throws -> Configured {
        let file = try TemporaryFile(yaml)
        return try withExtendedLifetime(file) {
            try ConfigurationLoader(file: file.path, options: options, environment: environment).load()
        }
    }

    private func problems(
        _ yaml: String = "", options: [String: [String]] = [:], environment: [String: String] = [:]
    ) -> [String] {
        do {
            _ = try load(yaml, options: options, environment: environment)
            return []
        } catch {
            return (error as? ConfigurationError)?.problems.map(\.description) ?? ["\(error)"]
        }
    }

    @Test func `without sources every value has its default`() throws {
        let loaded = try load()
        #expect(loaded.values.http.port == 8080)
        #expect(loaded.values.http.maxConnections == 10_000)
        #expect(loaded.values.fetch.allow == [])
        #expect(loaded.places.isEmpty)
    }

    @Test func `the command line overrides the environment, which overrides the file`() throws {
        let yaml = "http:\n  port: 1\n  hubs: 2\n  backlog: 3\n"
        let loaded = try load(
            yaml, options: ["http.port": ["9"]], environment: ["TANDEM_HTTP_PORT": "5", "TANDEM_HTTP_HUBS": "6"])
        #expect(loaded.values.http.port == 9)
        #expect(loaded.values.http.hubs == 6)
        #expect(loaded.values.http.backlog == 3)
        #expect(loaded.places["http.port"] == "--port")
        #expect(loaded.places["http.hubs"] == "TANDEM_HTTP_HUBS")
        #expect(loaded.places["http.backlog"]?.hasSuffix(":4") == true)
    }

    @Test func `every kind of value is read`() throws {
        let yaml = """
            http: {host: "::1", header-timeout-ms: 1500, limits: {field-count: 7}}
            hub: {stack-size-kib: 512, stall-threshold-ms: 250}
            fetch: {allow: [http://a.example, "https://B.example:8443/"], private-hosts: [a.example]}
            log: {level: debug, access: false}
            """
        let configuration = try load(yaml).values
        #expect(configuration.http.host == "::1")
        #expect(configuration.http.headerTimeout == .milliseconds(1500))
        #expect(configuration.http.wireLimits.fieldCount == 7)
        #expect(configuration.http.hub.stackSize == 512 * 1024)
        #expect(configuration.stallThreshold == .milliseconds(250))
        #expect(configuration.fetch.allow.map(\.description) == ["http://a.example", "https://b.example:8443"])
        #expect(configuration.fetch.privateHosts == ["a.example"])
        #expect(configuration.logLevel == .debug)
        #expect(!configuration.logsAccess)
    }

    @Test func `commas separate the items of a list in the environment`() throws {
        let allow = try load(environment: ["TANDEM_FETCH_ALLOW": "http://a.example, https://b.example"]).values.fetch.allow
        #expect(allow.map(\.description) == ["http://a.example", "https://b.example"])
        #expect(
            try load("fetch: {allow: [http://a.example]}", environment: ["TANDEM_FETCH_ALLOW": ""]).values.fetch.allow
                == [])
    }

    @Test func `an unknown key is reported with its line and the most similar key`() {
        let found = problems("http:\n  port: 1\n  prot: 2\nshutdwn:\n  grace-ms: 1\n")
        #expect(found.count == 2)
        #expect(found.first?.hasSuffix(".yaml:3: http.prot: unknown key; did you mean http.port?") == true)
        #expect(found.last?.contains(".yaml:4: shutdwn: unknown key") == true)
    }

    @Test(arguments: [
        ("http:\n  port: abc\n", #":2: http.port: expected a whole number from 0 to 65535, found "abc""#),
        ("http:\n  port: 65536\n", #"expected a whole number from 0 to 65535, found "65536""#),
        ("http:\n  port: -1\n", #"found "-1""#),
        ("http:\n  port: 0x50\n", #"found "0x50""#),
        ("http:\n  port: 8_080\n", #"found "8_080""#),
        ("http:\n  port: 010\n", #"found "010""#),
        ("http:\n  port: \"80\"\n", #"found the text "80""#),
        ("http:\n  port:\n", "found nothing"),
        ("http:\n  port: \"8\\u009B\\u202E0\"\n", #"found the text "8\u{9B}\u{202E}0""#),
        ("http:\n  port: [1]\n", "found a list"),
        ("http:\n  port: {a: 1}\n", "found keys below it"),
        ("http:\n  port: 99999999999999999999\n", #"found "99999999999999999999""#),
        ("http: 8080\n", #":1: http: expected keys indented below it, found "8080""#),
        ("http:\n  host: example.com\n", "http.host: expected a numeric IPv4 or IPv6 address, or localhost"),
        ("http:\n  idle-timeout-ms: 0\n", "expected a whole number of milliseconds from 1 to 86400000"),
        ("log:\n  access: yes\n", #"log.access: expected true or false, found "yes""#),
        ("log:\n  level: loud\n", "log.level: expected one of trace, debug, info, notice, warning, error, critical"),
        ("fetch:\n  allow: http://a\n", "fetch.allow: expected a list of origins"),
        ("fetch:\n  allow: [http://a/path]\n", #"found "http://a/path""#),
        ("fetch:\n  allow: [ftp://a]\n", #"found "ftp://a""#),
        ("fetch:\n  private-hosts: [10.0.0.1]\n", "fetch.private-hosts: expected a list of host names"),
    ])
    func `a wrong value is reported with its line and what was expected`(yaml: String, message: String) {
        let found = problems(yaml)
        #expect(found.count == 1)
        #expect(found.first?.contains(message) == true, "\(found)")
    }

    @Test(arguments: [
        ("http:\n\tport: 1\n", ":2: not valid YAML"), ("http: [1\n", "not valid YAML"), ("- 1\n", "expected keys and values"),
        ("http:\n  port: 1\n  port: 2\n", "a key stands twice: port"),
    ])
    func `invalid YAML is refused`(yaml: String, message: String) {
        let found = problems(yaml)
        #expect(found.count == 1)
        #expect(found.first?.contains(message) == true, "\(found)")
    }

    @Test func `an empty group and an empty file are accepted`() throws {
        #expect(try load("http:\n# nothing\n").values.http.port == 8080)
        #expect(try load("# nothing\n").values.http.port == 8080)
    }

    @Test func `an unknown variable is refused with the most similar name`() {
        #expect(
            problems(environment: ["TANDEM_HTP_PORT": "1"]) == [
                "TANDEM_HTP_PORT: unknown variable; did you mean TANDEM_HTTP_PORT?"
            ])
    }

    @Test func `variables that container platforms set are ignored`() {
        let links = [
            "TANDEM_SERVICE_HOST": "10.0.0.1", "TANDEM_SERVICE_PORT": "80", "TANDEM_SERVICE_PORT_HTTP": "80",
            "TANDEM_PORT": "tcp://10.0.0.1:80", "TANDEM_PORT_80_TCP": "tcp://10.0.0.1:80", "TANDEM_PORT_80_TCP_PROTO": "tcp",
            "TANDEM_PORT_80_TCP_ADDR": "10.0.0.1", "TANDEM_API_SERVICE_HOST": "10.0.0.2",
            // Of a service named tandem-http.
            "TANDEM_HTTP_PORT": "tcp://10.0.0.3:80",
        ]
        #expect(problems(environment: links).isEmpty)
        #expect(problems(environment: ["TANDEM_HTTP_PORT": "http://10.0.0.3:80"]).count == 1)
        #expect(problems(environment: ["TANDEM_PORTAL_URL": "https://a"]).count == 1)
    }

    @Test func `the variable that turns off fast paths is accepted`() {
        #expect(problems(environment: ["TANDEM_FAST_PATHS": "off"]).isEmpty)
    }

    @Test func `all problems of all sources are reported at once`() {
        let found = problems(
            "http:\n  port: x\n  what: 1\n", options: ["http.hubs": ["0"]], environment: ["TANDEM_LOG_ACCESS": "maybe"])
        #expect(found.count == 4)
        #expect(found[0] == #"--hubs: http.hubs: expected a whole number from 1 to 256, found "0""#)
        #expect(found[1] == #"TANDEM_LOG_ACCESS: log.access: expected true or false, found "maybe""#)
    }

    @Test func `a file that is named must exist`() {
        #expect {
            try ConfigurationLoader(file: "/nonexistent/tandemd.yaml", environment: [:]).load()
        } throws: {
            let problem = ($0 as? ConfigurationError)?.problems.first
            return problem?.code == .unreadableFile
                && problem?.description == "/nonexistent/tandemd.yaml: cannot open it: No such file or directory"
        }
        #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader(environment: ["TANDEM_CONFIG": "/nonexistent/other.yaml"]).load()
        }
        #expect(throws: ConfigurationError.self) { try ConfigurationLoader(file: "/tmp", environment: [:]).load() }
    }

    @Test func `the printed configuration can be loaded again`() throws {
        let first = try load("http: {port: 1, limits: {field-count: 3}}\nfetch: {allow: [http://a.example]}\n")
        let second = try load(first.yaml)
        for setting in schema.settings { #expect(second.texts(of: setting) == first.texts(of: setting)) }
        #expect(first.changes(from: second) { _ in true } == [])
    }
}
