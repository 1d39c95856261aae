internal import TandemHTTP
internal import Tracing

/// A request to an OpenTelemetry collector: `ExportTraceServiceRequest` in the JSON of OTLP 1.
///
/// OTLP uses the JSON mapping of Protocol Buffers, in which 64-bit integers are strings, with two exceptions: the ids of traces and spans
/// are hexadecimal, and enumerations are numbers. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
struct OTLPRequest {
    /// The process that the spans come from.
    struct Resource: Sendable {
        let service: String
        let version: String
        let host: String
        let processID: Int32
    }

    /// The maximum length of a text in bytes; the rest is cut off. 4 KiB hold any text that people read.
    static let longestText = 4_096
    /// The maximum number of attributes of a span, event or link; the default of OpenTelemetry's SDKs.
    static let mostAttributes = 128

    /// The number of spans.
    private(set) var count = 0
    private var bytes: [UInt8] = []

    /// Creates a request without spans.
    init(_ resource: Resource) {
        bytes.reserveCapacity(64 * 1_024)
        bytes += #"{"resourceSpans":[{"resource":{"attributes":["#.utf8
        let attributes: [(String, SpanAttribute)] = [
            ("service.name", .string(resource.service)), ("service.version", .string(resource.version)),
            ("process.pid", .int32(resource.processID)), ("host.name", .string(resource.host)),
            ("telemetry.sdk.language", .string("swift")), ("telemetry.sdk.name", .string("tandem")),
            ("telemetry.sdk.version", .string(resource.version)),
        ]
        list(attributes) { $0.attribute($1.0, $1.1) }
        bytes += #"]},"scopeSpans":[{"scope":{"name":"tandem","version":"#.utf8
        text(resource.version)
        bytes += #"},"spans":["#.utf8
    }

    /// The length of the request in bytes, without its end.
    var byteCount: Int { bytes.count }

    /// Returns the complete request.
    consuming func finished() -> [UInt8] {
        bytes += "]}]}]}".utf8
        return bytes
    }

    /// Appends a span.
    mutating func append(_ span: SpanRecord) {
        if count > 0 { bytes.append(UInt8(ascii: ",")) }
        count += 1
        bytes += #"{"traceId":"\#(span.trace.traceID)","spanId":"\#(span.trace.spanID)","flags":1"#.utf8
        if let state = span.trace.state {
            bytes += #","traceState":"#.utf8
            text(state)
        }
        if let parentID = span.parentID {
            let parent = TraceContext(traceIDHigh: 0, traceIDLow: 0, parentID: parentID, isSampled: false)
            bytes += #","parentSpanId":"\#(parent.spanID)""#.utf8
        }
        bytes += #","name":"#.utf8
        text(span.name)
        bytes += #","kind":\#(Self.number(of: span.kind)),"startTimeUnixNano":"\#(span.began)""#.utf8
        // The clock of the machine may have been set back meanwhile.
        bytes += #","endTimeUnixNano":"\#(max(span.began, span.ended))""#.utf8
        attributes(span.attributes)
        events(span.events, dropped: span.droppedEvents)
        links(span.links, dropped: span.droppedLinks)
        if let status = span.status {
            bytes += #","status":{"code":\#(status.code == .error ? 2 : 1)"#.utf8
            if let message = status.message {
                bytes += #","message":"#.utf8
                text(message)
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func number(of kind: SpanKind) -> Int {
        switch kind {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }

    private mutating func events(_ events: [SpanEvent], dropped: Int) {
        if !events.isEmpty {
            bytes += #","events":["#.utf8
            list(events) { request, event in
                request.bytes += #"{"timeUnixNano":"\#(event.nanosecondsSinceEpoch)","name":"#.utf8
                request.text(event.name)
                request.attributes(event.attributes)
                request.bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if dropped > 0 { bytes += #","droppedEventsCount":\#(UInt32(clamping: dropped))"#.utf8 }
    }

    private mutating func links(_ links: [(target: TraceContext, attributes: SpanAttributes)], dropped: Int) {
        if !links.isEmpty {
            bytes += #","links":["#.utf8
            list(links) { request, link in
                request.bytes += #"{"traceId":"\#(link.target.traceID)","spanId":"\#(link.target.spanID)""#.utf8
                if let state = link.target.state {
                    request.bytes += #","traceState":"#.utf8
                    request.text(state)
                }
                request.attributes(link.attributes)
                request.bytes.append(UInt8(ascii: "}"))
            }
            bytes.append(UInt8(ascii: "]"))
        }
        if dropped > 0 { bytes += #","droppedLinksCount":\#(UInt32(clamping: dropped))"#.utf8 }
    }

    private mutating func attributes(_ attributes: SpanAttributes) {
        var all: [(String, SpanAttribute)] = []
        attributes.forEach { all.append(($0, $1)) }
        guard !all.isEmpty else { return }
        if all.count > Self.mostAttributes { all.sort { $0.0 < $1.0 } }
        bytes += #","attributes":["#.utf8
        list(all.prefix(Self.mostAttributes)) { $0.attribute($1.0, $1.1) }
        bytes.append(UInt8(ascii: "]"))
        let dropped = all.count - Self.mostAttributes
        if dropped > 0 { bytes += #","droppedAttributesCount":\#(dropped)"#.utf8 }
    }

    private mutating func attribute(_ key: String, _ value: SpanAttribute) {
        bytes += #"{"key":"#.utf8
        text(key)
        bytes += #","value":"#.utf8
        self.value(value)
        bytes.append(UInt8(ascii: "}"))
    }

    private mutating func value(_ value: SpanAttribute) {
        switch value {
        case .int32(let number): integer(Int64(number))
        case .int64(let number): integer(number)
        case .double(let number): double(number)
        case .bool(let flag): bytes += #"{"boolValue":\#(flag)}"#.utf8
        case .string(let string): self.string(string)
        case .stringConvertible(let value): string(value.description)
        case .int32Array(let numbers): array(numbers) { $0.integer(Int64($1)) }
        case .int64Array(let numbers): array(numbers) { $0.integer($1) }
        case .doubleArray(let numbers): array(numbers) { $0.double($1) }
        case .boolArray(let flags): array(flags) { $0.bytes += #"{"boolValue":\#($1)}"#.utf8 }
        case .stringArray(let strings): array(strings) { $0.string($1) }
        case .stringConvertibleArray(let values): array(values) { $0.string($1.description) }
        default: string("\(value)")
        }
    }

    private mutating func integer(_ number: Int64) { bytes += #"{"intValue":"\#(number)"}"#.utf8 }

    private mutating func double(_ number: Double) {
        let text = number.isNaN ? #""NaN""# : number.isFinite ? "\(number)" : number > 0 ? #""Infinity""# : #""-Infinity""#
        bytes += #"{"doubleValue":\#(text)}"#.utf8
    }

    private mutating func string(_ string: String) {
        bytes += #"{"stringValue":"#.utf8
        text(string)
        bytes.append(UInt8(ascii: "}"))
    }

    private mutating func array<Item>(_ items: [Item], _ write: (inout OTLPRequest, Item) -> Void) {
        bytes += #"{"arrayValue":{"values":["#.utf8
        list(items.prefix(Self.mostAttributes), write)
        bytes += "]}}".utf8
    }

    private mutating func list<Items: Collection>(_ items: Items, _ write: (inout OTLPRequest, Items.Element) -> Void) {
        var isFirst = true
        for item in items {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            write(&self, item)
        }
    }

    /// Appends a text as a JSON string, at most `longestText` bytes of it.
    private mutating func text(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            var end = min(utf8.count, Self.longestText)
            // Whole characters only.
            while end < utf8.count, utf8[end] & 0xC0 == 0x80 { end -= 1 }
            LogText.appendQuoted(UnsafeBufferPointer(rebasing: utf8[..<end]), to: &bytes)
        }
    }
}
