import Foundation
import TandemTesting
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct DoctorTests {
    /// A machine that suits the configurations of these tests.
    private static let machine: Machine = {
        var machine = Machine()
        machine.descriptorLimit = 524_288
        machine.cores = 4
        machine.memory = 64 << 30
        machine.kernel = (6, 13)
        machine.listenQueueLimit = 4_096
        machine.mappingLimit = 65_530
        machine.hasLightGuards = true
        return machine
    }()

    private func findings(
        _ environment: [String: String] = [:], _ change: (inout Machine) -> Void = { _ in }
    ) throws -> [Doctor.Finding] {
        let all = ["TANDEM_ADMIN_LISTEN": "127.0.0.1:8081"].merging(environment) { $1 }
        let configured = try ConfigurationLoader(file: packageRoot + "/config/tandemd.yaml", environment: all).load()
        var machine = Self.machine
        change(&machine)
        return Doctor(configured, machine: machine).findings()
    }

    private func problems(
        _ environment: [String: String] = [:], _ change: (inout Machine) -> Void = { _ in }
    ) throws -> [Doctor.Finding] {
        try findings(environment, change).filter { $0.remedy != nil }
    }

    @Test func `a machine that suits the configuration has no findings`() throws {
        #expect(try problems() == [])
        #expect(
            try findings().map(\.subject) == [
                "kernel", "descriptors", "listen queue", "cores", "memory", "memory mappings", "admin listener", "addresses",
                "stop",
            ])
    }

    @Test func `too few descriptors are a finding whose remedies each suffice`() throws {
        let limits = ["TANDEM_HTTP_MAX_CONNECTIONS": "10000"]
        let found = try #require(try problems(limits) { $0.descriptorLimit = 1_024 }.first)
        #expect(found.subject == "descriptors")
        #expect(found.message.contains("the limit is 1024"))
        let remedy = try #require(found.remedy)
        let needed = try #require(remedy.firstMatch(of: /LimitNOFILE=(\d+)/).flatMap { Int($0.1) })
        let fitting = try #require(remedy.firstMatch(of: /http\.max-connections: (\d+)/).map { String($0.1) })
        #expect(try problems(limits) { $0.descriptorLimit = needed } == [])
        #expect(try problems(limits) { $0.descriptorLimit = needed - 1 }.count == 1)
        #expect(try problems(["TANDEM_HTTP_MAX_CONNECTIONS": fitting]) { $0.descriptorLimit = 1_024 } == [])
    }

    @Test(arguments: [
        ("kernel", "Linux 5.4 is older", "Linux 5.11"),
        ("listen queue", "net.core.somaxconn, 128", "sysctl net.core.somaxconn="),
        ("memory", "there are 16 MiB", "MemoryMax="),
    ])
    func `a limit of the machine below the configuration is a finding with a remedy`(
        subject: String, message: String, remedy: String
    ) throws {
        let found = try problems { machine in
            switch subject {
            case "kernel": machine.kernel = (5, 4)
            case "listen queue": machine.listenQueueLimit = 128
            default: machine.memory = 16 << 20
            }
        }
        #expect(found.map(\.subject) == [subject])
        #expect(found.first?.message.contains(message) == true)
        #expect(found.first?.remedy?.contains(remedy) == true)
    }

    @Test func `more hubs than cores are a finding`() throws {
        let found = try problems(["TANDEM_HTTP_HUBS": "8"]) { $0.cores = 2 }
        #expect(found.map(\.subject) == ["cores"])
        #expect(found.first?.message == "8 hubs share 2 cores")
        #expect(found.first?.remedy?.hasPrefix("http.hubs: 2") == true)
    }

    @Test func `stacks need memory mappings only without light guard pages`() throws {
        let environment = ["TANDEM_HTTP_MAX_GREEN_THREADS": "100000"]
        #expect(try problems(environment) { $0.mappingLimit = 65_530 } == [])
        let found = try problems(environment) { $0.hasLightGuards = false }
        #expect(found.map(\.subject) == ["memory mappings"])
        #expect(found.first?.remedy == "sysctl vm.max_map_count=201000, or http.max-green-threads: 32265")
    }

    @Test(arguments: ["0.0.0.0:8081", "[::]:8081", "192.0.2.1:8081"])
    func `an admin listener that other machines can reach is a finding`(address: String) throws {
        let found = try problems(["TANDEM_ADMIN_LISTEN": address])
        #expect(found.map(\.subject) == ["admin listener"])
        #expect(found.first?.message.hasPrefix("\(address) can be reached from other machines") == true)
    }

    @Test(arguments: ["localhost:8081", "127.0.0.1:8081", "[::1]:8081", "unix:/run/admin.sock"])
    func `an admin listener of this machine is in order`(address: String) throws {
        #expect(try problems(["TANDEM_ADMIN_LISTEN": address]) == [])
    }

    @Test func `a daemon without an admin listener is a finding`() throws {
        let found = try problems(["TANDEM_ADMIN_LISTEN": ""])
        #expect(found.map(\.subject) == ["admin listener"])
    }

    @Test func `HTTP without TLS to other machines is a finding`() throws {
        let found = try problems(["TANDEM_HTTP_LISTEN": "127.0.0.1:8080, 0.0.0.0:8082"])
        #expect(found.map(\.subject) == ["addresses"])
        #expect(found.first?.message == "0.0.0.0:8082 speaks HTTP without TLS to other machines")
    }

    @Test(arguments: [(-1, "has expired: clients refuse it"), (5, "ends in 5 days")])
    func `a certificate that has ended or ends soon is a finding`(days: Int, message: String) throws {
        let found = try certificateFindings(validFor: days)
        #expect(found.map(\.remedy) == ["renew it, then SIGHUP"])
        #expect(found.first?.message == message)
    }

    @Test func `a certificate that is valid for long is in order`() throws {
        let found = try certificateFindings(validFor: 90)
        #expect(found.map(\.message) == ["ends in 90 days"])
        #expect(found.map(\.remedy) == [nil])
    }

    @Test func `a certificate that cannot be read is a finding`() throws {
        let found = try problems([
            "TANDEM_TLS_CERTIFICATES": "/nowhere.crt /nowhere.key", "TANDEM_HTTP_LISTEN": "127.0.0.1:8443 tls",
        ])
        #expect(found.map(\.subject) == ["certificates"])
        #expect(found.first?.message.contains("/nowhere.crt") == true)
    }

    private func certificateFindings(validFor days: Int) throws -> [Doctor.Finding] {
        let directory = TemporaryDirectory()
        // An hour more, so that the time of the test does not count.
        let certificate = TestCertificate(["localhost"], issuer: .authority, validSeconds: -10 * 86_400..<(days * 86_400 + 3_600))
        let path = directory.write("both.pem", certificate.certificateText + certificate.keyText)
        return try findings(["TANDEM_TLS_CERTIFICATES": path, "TANDEM_HTTP_LISTEN": "127.0.0.1:8443 tls"])
            .filter { $0.subject == "certificate \(path)" }
    }

    @Test func `the time for a stop includes the margin of the supervisor`() throws {
        let times = [
            "TANDEM_SHUTDOWN_DELAY_MS": "1000", "TANDEM_SHUTDOWN_GRACE_MS": "20000", "TANDEM_SHUTDOWN_CLEANUP_MS": "3000",
        ]
        let stop = try findings(times).first { $0.subject == "stop" }
        #expect(stop?.message.hasPrefix("takes at most 29 s: ") == true)
    }

    @Test func `limits of the groups around a control group count too, and the lowest of each kind wins`() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "tandem-\(UUID())")
        defer { try? FileManager.default.removeItem(at: root) }
        for (name, text) in [
            "membership": "12:devices:/other\n0::/app.slice/shop.service\n",
            "memory.max": "max\n", "cpu.max": "max 100000\n",
            "app.slice/memory.max": "1073741824\n", "app.slice/cpu.max": "150000 100000\n",
            "app.slice/shop.service/memory.max": "2147483648\n", "app.slice/shop.service/cpu.max": "400000 100000\n",
        ] {
            let file = root.appending(path: name)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        let group = ControlGroup(membership: root.path() + "/membership", root: root.path())
        #expect(group.memory == 1 << 30)
        #expect(group.cores == 2)
    }

    @Test func `without control groups nothing limits the process`() {
        let group = ControlGroup(membership: "/nowhere", root: "/nowhere")
        #expect(group.memory == nil)
        #expect(group.cores == nil)
    }
}
