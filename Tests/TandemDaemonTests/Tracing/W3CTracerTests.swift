import Foundation
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing
import Tracing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct W3CTracerTests {
    private struct Fields: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }

    private let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    private let traceID = "0af7651916cd43dd8448eb211c80319c"

    private func context(_ tracer: W3CTracer, _ fields: [String: String]) -> ServiceContext {
        var context = ServiceContext.topLevel
        tracer.extract(fields, into: &context, using: Fields())
        return context
    }

    private func injected(_ tracer: W3CTracer, _ context: ServiceContext) -> [String: String] {
        var fields: [String: String] = [:]
        tracer.inject(context, into: &fields, using: Fields())
        return fields
    }

    @Test(arguments: [true, false])
    func `a trace is joined and passed on`(starts: Bool) throws {
        let tracer = W3CTracer(startsTraces: starts)
        let span = tracer.startSpan(
            "x", context: context(tracer, ["traceparent": parent, "tracestate": "a=1,b=2"]), ofKind: .server)
        let trace = try #require(span.context.traceContext)
        #expect(trace.traceID == traceID && trace.spanID != "b7ad6b7169203331" && trace.isSampled)
        #expect(injected(tracer, span.context) == ["traceparent": trace.traceparent, "tracestate": "a=1,b=2"])
        // There is no sink.
        #expect(!span.isRecording)
        span.end()
    }

    @Test func `only a tracer with startsTraces starts a trace`() throws {
        let joins = W3CTracer(startsTraces: false)
        for fields in [[:], ["traceparent": "nonsense"], ["traceparent": parent.uppercased()]] {
            let span = joins.startSpan("x", context: context(joins, fields), ofKind: .server)
            #expect(span.context.traceContext == nil)
            #expect(injected(joins, span.context).isEmpty)
        }
        let starts = W3CTracer(startsTraces: true)
        let traces = (0..<100).map { _ in starts.startSpan("x", context: .topLevel).context.traceContext }
        #expect(Set(traces.map { $0?.traceID }).count == 100)
        #expect(traces.allSatisfy { $0?.isSampled == false })
        for trace in traces { #expect(TraceContext(traceparent: trace?.traceparent ?? "") == trace) }
    }

    @Test func `spans of sampled traces reach the sink`() throws {
        struct Broken: Error {}
        let records = Mutex<[SpanRecord]>([])
        let tracer = W3CTracer(startsTraces: true) { record in records.withLock { $0.append(record) } }
        let unsampled = parent.dropLast(2) + "00"
        let silent = tracer.startSpan("silent", context: context(tracer, ["traceparent": String(unsampled)]))
        #expect(!silent.isRecording && silent.context.traceContext?.isSampled == false)
        silent.end()
        let span = tracer.startSpan("GET /a\n", context: context(tracer, ["traceparent": parent]), ofKind: .server)
        span.attributes["http.response.status_code"] = 200
        span.attributes["url.path"] = "/\"\n\u{9B}"
        span.recordError(Broken())
        span.setStatus(SpanStatus(code: .error))
        for number in 0..<100 { span.addEvent(SpanEvent(name: "\(number)")) }
        let child = tracer.startSpan("child", context: span.context)
        child.addLink(span, attributes: ["batch": 7])
        // This link belongs to no trace.
        child.addLink(SpanLink(context: .topLevel, attributes: [:]))
        for _ in 0..<100 { span.addLink(child) }
        child.end()
        child.addLink(span)
        span.end()
        span.end()
        #expect(!span.isRecording)
        let all = records.withLock { $0 }
        #expect(all.map(\.name) == ["child", "GET /a\n"])
        let objects = try all.map { record in
            var (line, stamp) = ([UInt8](), Timestamp())
            record.append(&stamp, to: &line)
            #expect(line.filter { $0 < 0x20 } == [10])
            return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        }
        #expect(objects[1]["trace_id"] as? String == traceID && objects[1]["parent_id"] as? String == "b7ad6b7169203331")
        #expect(objects[0]["parent_id"] as? String == objects[1]["span_id"] as? String)
        #expect(objects[1]["kind"] as? String == "server" && objects[1]["status"] as? String == "error")
        let links = try #require(objects[0]["links"] as? [[String: Any]])
        #expect(links.count == 1 && links[0]["trace_id"] as? String == traceID)
        #expect(links[0]["span_id"] as? String == objects[1]["span_id"] as? String)
        #expect((links[0]["attributes"] as? [String: Any])?["batch"] as? Int == 7)
        #expect((objects[1]["links"] as? [[String: Any]])?.count == SpanRecord.mostLinks)
        let attributes = try #require(objects[1]["attributes"] as? [String: Any])
        #expect(attributes["http.response.status_code"] as? Int == 200 && attributes["url.path"] as? String == "/\"\n\u{9B}")
        #expect((objects[1]["events"] as? [[String: Any]])?.count == SpanRecord.mostEvents)
    }

    @Test(arguments: Style.allCases)
    func `a server joins the trace of its client`(style: Style) async throws {
        let seen = Mutex<[TraceContext?]>([])
        let router = Router()
        @Sendable func note() -> Response {
            seen.withLock { $0.append(ServiceContext.current?.traceContext) }
            return ok
        }
        switch style {
        case .blocking: router.get("/") { _ in try awaiting { await blocking { note() } } }
        case .async: router.get("/") { _ in try await blocking { try awaiting { note() } } }
        }
        let field = HTTPField(name: HTTPField.Name("traceparent")!, value: parent)
        try await withTracer(W3CTracer(startsTraces: false)) {
            try await withTestServer(router, .live) { client async throws in
                for fields in [[field], [], [field, field]] {
                    #expect(try await client.get("/", headers: HTTPFields(fields)).status == .ok)
                }
            }
        }
        #expect(seen.withLock { $0.map { $0?.traceID } } == [traceID, nil, nil])
    }
}
