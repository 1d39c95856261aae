import Foundation
import TandemHTTP
import Testing
import Tracing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(2)))
struct OTLPRequestTests {
    private let resource = OTLPRequest.Resource(service: "shop", version: "1.2", host: "node-7", processID: 42)
    private let trace = TraceContext(
        traceIDHigh: 0x0a, traceIDLow: 0xff00_0000_0000_0001, parentID: 0x0b, isSampled: true, state: "a=1")

    private func span(_ name: String, kind: SpanKind = .server, parentID: UInt64? = nil) -> SpanRecord {
        var span = SpanRecord(name: name, kind: kind, trace: trace, parentID: parentID, began: 1_700_000_000_123_456_789)
        span.ended = span.began + 5
        return span
    }

    private func parsed(_ records: [SpanRecord]) throws -> [String: Any] {
        var request = OTLPRequest(resource)
        for record in records { request.append(record) }
        #expect(request.count == records.count)
        return try parseOTLP(request.finished())
    }

    @Test func `OpenTelemetry's schema reads every part of a span`() throws {
        var full = span("GET /users/{id}", parentID: 0xc0)
        full.status = SpanStatus(code: .error, message: "broken")
        full.attributes["text"] = "é\u{1F600}"
        full.attributes["int"] = Int.min
        full.attributes["double"] = 1.5e300
        full.attributes["nan"] = Double.nan
        full.attributes["infinite"] = -Double.infinity
        full.attributes["flag"] = true
        full.attributes["texts"] = ["a", "b"]
        full.attributes["ints"] = [1, -2]
        full.attributes["doubles"] = [0.5]
        full.attributes["flags"] = [false]
        full.events = [SpanEvent(name: "exception", attributes: ["exception.type": "Broken"])]
        full.droppedEvents = 3
        full.links = [(trace, ["batch": 7])]
        full.droppedLinks = 4
        var backwards = span("late", kind: .internal)
        backwards.ended = 1
        backwards.status = SpanStatus(code: .ok)
        let kinds: [SpanKind] = [.client, .producer, .consumer]
        let request = try parsed([full, backwards] + kinds.map { span("\($0)", kind: $0) })

        let resource = try #require((request["resourceSpans"] as? [[String: Any]])?.first?["resource"] as? [String: Any])
        let process = try attributes(resource)
        #expect(process["service.name"]?["stringValue"] as? String == "shop")
        #expect(process["service.version"]?["stringValue"] as? String == "1.2")
        #expect(process["host.name"]?["stringValue"] as? String == "node-7")
        #expect(process["process.pid"]?["intValue"] as? String == "42")

        let all = try spans(request)
        let first = all[0]
        #expect(first["traceId"] as? String == "000000000000000aff00000000000001")
        #expect(first["spanId"] as? String == "000000000000000b" && first["parentSpanId"] as? String == "00000000000000c0")
        #expect(first["traceState"] as? String == "a=1" && first["name"] as? String == "GET /users/{id}")
        #expect(first["startTimeUnixNano"] as? String == "1700000000123456789")
        #expect(first["endTimeUnixNano"] as? String == "1700000000123456794")
        let status = try #require(first["status"] as? [String: Any])
        #expect(status["code"] as? Int == 2 && status["message"] as? String == "broken")
        #expect(all.map { $0["kind"] as? Int } == [2, 1, 3, 4, 5])
        #expect(all[1]["parentSpanId"] == nil && all[1]["endTimeUnixNano"] as? String == "1700000000123456789")
        #expect((all[1]["status"] as? [String: Any])?["code"] as? Int == 1 && all[2]["status"] == nil)

        let values = try attributes(first)
        #expect(values["text"]?["stringValue"] as? String == "é\u{1F600}")
        #expect(values["int"]?["intValue"] as? String == "-9223372036854775808")
        #expect(values["double"]?["doubleValue"] as? Double == 1.5e300)
        #expect(values["nan"]?["doubleValue"] as? String == "NaN" && values["infinite"]?["doubleValue"] as? String == "-Infinity")
        #expect(values["flag"]?["boolValue"] as? Bool == true)
        for (key, count) in ["texts": 2, "ints": 2, "doubles": 1, "flags": 1] {
            let array = values[key]?["arrayValue"] as? [String: Any]
            #expect((array?["values"] as? [Any])?.count == count, "\(key)")
        }
        let events = try #require(first["events"] as? [[String: Any]])
        #expect(events.count == 1 && events[0]["name"] as? String == "exception")
        #expect(events[0]["timeUnixNano"] as? String == "\(full.events[0].nanosecondsSinceEpoch)")
        #expect(try attributes(events[0])["exception.type"]?["stringValue"] as? String == "Broken")
        #expect(first["droppedEventsCount"] as? Int == 3 && first["droppedLinksCount"] as? Int == 4)
        let links = try #require(first["links"] as? [[String: Any]])
        #expect(links[0]["spanId"] as? String == "000000000000000b")
        #expect(try attributes(links[0])["batch"]?["intValue"] as? String == "7")
    }

    @Test func `any text in a span reaches the collector unchanged, except that long ones are cut`() throws {
        var random = SystemRandomNumberGenerator()
        func scalar() -> Unicode.Scalar {
            let ranges: [ClosedRange<UInt32>] = [
                0...0x20, 0x21...0x7F, 0x80...0x9F, 0x200B...0x202E, 0x100...0xD7FF, 0xE000...0x10FFFF,
            ]
            return Unicode.Scalar(UInt32.random(in: ranges.randomElement(using: &random)!, using: &random))!
        }
        func text(_ length: Int) -> String { String(String.UnicodeScalarView((0..<length).map { _ in scalar() })) }
        let texts =
            [
                "", "\0", "\"\\/\u{8}\u{C}\n\r\t", "</script>", #"{"a":[1]}"#,
                "\u{7F}\u{9B}\u{202E}\u{FEFF}\u{2028}\u{FFFF}\u{10FFFF}",
            ] + (0..<200).map { text($0 % 50) }
        let records = texts.map { text in
            var record = span(text)
            record.attributes["value"] = text
            record.status = SpanStatus(code: .error, message: text)
            record.events = [SpanEvent(name: text)]
            return record
        }
        let long = ["x", "é", "€", "😀"].map { String(repeating: $0, count: 5_000) }
        let all = try spans(try parsed(records + long.map { span($0) }))
        for (text, result) in zip(texts, all) {
            let scalars = Array(text.unicodeScalars)
            #expect(Array((result["name"] as? String ?? "").unicodeScalars) == scalars)
            #expect(try attributes(result)["value"].map { Array(($0["stringValue"] as? String ?? "").unicodeScalars) } == scalars)
        }
        for (text, result) in zip(long, all.suffix(4)) {
            let cut = result["name"] as? String ?? ""
            #expect(text.hasPrefix(cut) && 4_093...4_096 ~= cut.utf8.count)
        }
    }

    @Test func `attributes beyond the limit are dropped and counted`() throws {
        var record = span("many")
        for number in 0..<200 { record.attributes["key-\(number)"] = number }
        let parsed = try spans(try parsed([record]))[0]
        #expect(try attributes(parsed).count == 128)
        #expect(parsed["droppedAttributesCount"] as? Int == 72)
    }
}
