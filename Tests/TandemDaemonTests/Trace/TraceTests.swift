import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// Traces of a running daemon, checked by scripts/check/trace.
@Suite(.timeLimit(.minutes(1)))
struct TraceTests {
    private let directory = TemporaryDirectory()
    private var environment: [String: String] { ["TANDEM_ADMIN_LISTEN": "unix:\(directory.path)/admin"] }

    /// Runs the checker on a trace.
    private func check(_ trace: String, mixed: Bool = false) async throws -> Program.Outcome {
        let file = directory.path + "/trace.json"
        try Data(trace.utf8).write(to: URL(filePath: file))
        let program = try Program(
            "python3", [packageRoot + "scripts/lib/trace.py"] + (mixed ? ["--mixed"] : []) + [file],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        return try await program.wait()
    }

    /// Runs a daemon under mixed traffic while `body` runs.
    private func underLoad(
        _ environment: [String: String], _ body: (Daemon, TestClient) async throws -> Void
    ) async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        let own = "http%3A%2F%2Flocalhost%3A\(try await daemon.port())%2Fasync%2Fplaintext"
        let paths = [
            "/blocking/bridge?depth=3", "/async/plaintext", "/blocking/sleep?ms=2", "/async/bridge", "/async/sleep?ms=2",
            "/blocking/fetch?url=\(own)", "/async/fetch?url=\(own)",
        ]
        let load = Task { () async throws in
            while !Task.isCancelled {
                for path in paths { #expect(try await client.get(path).status == .ok) }
            }
        }
        try await body(daemon, client)
        load.cancel()
        _ = await load.result
        await client.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `a trace of both styles under load nests, covers the window, and has pairs, bridges and wake-ups`() async throws {
        try await underLoad(environment) { _, _ in
            let trace = try Daemon("trace", "--seconds", "1", environment: environment)
            #expect(try await trace.wait() == 0, "\(trace.errors)")
            let checked = try await check(trace.output, mixed: true)
            #expect(checked.status == 0, "\(checked.errors)")
            // Each fetch has its end.
            #expect(checked.text.contains(/, [1-9]\d* fetch,/), "\(checked.text)")
            #expect(trace.output.contains(/"ph":"e","name":"http:\/\/localhost:\d+","cat":"fetch"[^\n]*"status":200/))
            #expect(checked.text.contains(/tandemd-0: \d+ slices, \d+\.\d\d % covered, 0 records lost/), "\(checked.text)")
            for name in [
                "blocking · GET \\/blocking\\/sleep", "async · GET \\/async\\/plaintext", "GET \\/async\\/sleep",
                "tandemd\\/Bridge.swift:",
            ] {
                #expect(trace.output.contains(name.replacing("\\/", with: "/")), "\(name)")
            }
        }
    }

    @Test func `code that holds the hub over the end of the window is in the trace`() async throws {
        let environment = environment.merging(["TANDEM_LEGACY_PATCH": "false"]) { $1 }
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        let trace = try Daemon("trace", "--seconds", "1", environment: environment)
        try await Task.sleep(for: .milliseconds(500))
        // Without the patch usleep holds the hub.
        let holder = Task { try await client.get("/blocking/legacy/sleep?ms=1500") }
        #expect(try await trace.wait() == 0, "\(trace.errors)")
        let checked = try await check(trace.output)
        #expect(checked.status == 0, "\(checked.errors)")
        #expect(trace.output.contains(#""cut":true"#))
        #expect(try await holder.value.status == .ok)
        await client.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `a hub that was held before the trace began has a slice for it`() async throws {
        let environment = environment.merging(["TANDEM_LEGACY_PATCH": "false"]) { $1 }
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        for milliseconds in [1_300, 3_000] {
            let holder = Task { try await client.get("/blocking/legacy/sleep?ms=\(milliseconds)") }
            try await Task.sleep(for: .milliseconds(200))
            let trace = try Daemon("trace", "--seconds", "2", environment: environment)
            #expect(try await trace.wait() == 0, "\(trace.errors)")
            let checked = try await check(trace.output)
            #expect(checked.status == 0, "\(checked.errors)")
            #expect(trace.output.contains("a job that began before the trace"))
            #expect(try await holder.value.status == .ok)
        }
        await client.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
    }

    @Test func `a length that is no number from 1 to 30 is refused, and two traces at once are not recorded`() async throws {
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        let admin = TestClient(to: .unix(directory.path + "/admin"))
        for text in ["0", "31", "x", "", "-1", "1.5", "%2B1", "01"] {
            let answer = try await admin.get("/debug/trace?seconds=\(text)")
            #expect(
                answer.status == .badRequest && answer.text.hasPrefix("seconds: expected a number from 1 to 30, found "),
                "\(answer.text)")
        }
        async let first = admin.get("/debug/trace?seconds=2")
        try await Task.sleep(for: .milliseconds(300))
        let head = try await admin.execute(.head, "/debug/trace?seconds=1")
        #expect(head.status == .ok, "HEAD does not record")
        let second = try await admin.get("/debug/trace?seconds=1")
        #expect(second.status == .serviceUnavailable, "\(second.text)")
        let answer = try await first
        #expect(answer.status == .ok && answer.headers[.contentType] == "application/json")
        let checked = try await check(answer.text)
        #expect(checked.status == 0, "\(checked.errors)")
        await client.close()
        await admin.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        let wrong = try Daemon("trace", "--seconds", "31")
        #expect(try await wrong.wait() == 64)
        #expect(wrong.errors.contains("--seconds: expected 1 to 30"))
        let without = try Daemon("trace")
        #expect(try await without.wait() == 1)
        #expect(without.errors.hasSuffix("this command asks the admin listener, and none is configured: set admin.listen\n"))
    }

    @Test func `a report of a stall says what happened before if the hub always records`() async throws {
        let environment = ["TANDEM_LEGACY_PATCH": "false", "TANDEM_HUB_FLIGHT_RECORDER": "true"]
        let daemon = try Daemon("serve", "--port", "0", environment: environment)
        let client = try await daemon.client()
        #expect(try await client.get("/async/plaintext").status == .ok)
        #expect(try await client.get("/blocking/legacy/sleep?ms=400").status == .ok)
        await client.close()
        daemon.send(SIGTERM)
        #expect(try await daemon.wait() == 0)
        #expect(daemon.errors.contains("the job that holds it: GET /blocking/legacy/sleep, for 1"), "\(daemon.errors)")
        #expect(
            daemon.errors.contains(/\d+\.\d\d\d ms before the report: GET \/async\/plaintext, async, ran \d+\.\d\d\d ms/),
            "\(daemon.errors)"
        )
    }

    /// Each fault that the checker exists for.
    @Test(arguments: [
        ("", "slices", true),
        (#"{"ph":"X","name":"b","pid":1,"tid":7,"ts":4.000,"dur":7.000}"#, "overlaps the end of", false),
        (#"{"ph":"X","name":"b","pid":1,"tid":7,"ts":1.000,"dur":1.000}"#, "are not sorted", false),
        (#"{"ph":"b","cat":"wait","name":"w","pid":1,"tid":7,"ts":5.000,"id2":{"local":"1"}}"#, "begins without an end", false),
        (
            #"{"ph":"e","cat":"wait","name":"w","pid":1,"tid":7,"ts":5.000,"id2":{"local":"1"}}"#, "ends without a beginning",
            false
        ),
        (#"{"ph":"s","cat":"flow","name":"w","pid":1,"tid":7,"ts":5.000,"id":"1"}"#, "flows with one end", false),
        (#"{"ph":"Q","name":"b","pid":1,"tid":7,"ts":5.000}"#, "unknown phase", false),
        (#"{"ph":"i","name":"b","pid":1,"tid":7}"#, "no time", false),
        (#"{"ph":"X","name":"b","pid":1,"tid":7,"ts":20.000,"dur":900.000}"#, "turns and polls cover", false),
    ])
    func `the checker finds a trace that is wrong`(event: String, fault: String, isFine: Bool) async throws {
        let events = [
            #"{"ph":"M","name":"thread_name","pid":1,"tid":7,"ts":0,"args":{"name":"hub-0"}}"#,
            #"{"ph":"X","name":"a","pid":1,"tid":7,"ts":3.000,"dur":5.000}"#, event,
            event.contains("20.000") ? "" : #"{"ph":"X","name":"z","pid":1,"tid":7,"ts":8.000,"dur":992.000}"#,
        ].filter { !$0.isEmpty }
        let trace = """
            {"displayTimeUnit":"ns","traceEvents":[\(events.joined(separator: ","))],"otherData":{"service":"s","clock":"c",\
            "windowNanoseconds":1000000,"truncated":false,"lostRecords":{"hub-0":0}}}
            """
        let checked = try await check(trace)
        #expect((checked.status == 0) == isFine, "\(checked.text) \(checked.errors)")
        #expect((isFine ? checked.text : checked.errors).contains(fault), "\(checked.text) \(checked.errors)")
    }
}
