internal import HTTPWire
internal import TandemHTTP

/// The JSON format of the access log: one object per line and request. Members that the request does not have are omitted.
enum AccessLogObject {
    static func append(_ entry: borrowing AccessLogEntry, _ stamp: inout Timestamp, to line: inout [UInt8]) {
        LineBytes.append(to: &line, room: 64) { line in
            line.append(#"{"time":""#)
            line.append(stamp.now())
            line.append(#"","type":"request""#)
        }
        if let head = entry.head {
            head.withRequestLine { method, target in
                method.withUnsafeBufferPointer { append(#","method":"#, $0, to: &line) }
                target.withUnsafeBufferPointer { append(#","target":"#, cutting: $0, to: &line) }
            }
        }
        if let route = entry.route { append(#","route":"#, route, to: &line) }
        LineBytes.append(to: &line, room: 256) { line in
            switch entry.style {
            case .blocking: line.append(#","style":"blocking","status":"#)
            case .async: line.append(#","style":"async","status":"#)
            case .none: line.append(#","style":"none","status":"#)
            }
            line.append(decimal: entry.status)
            line.append(#","bytes_in":"#)
            line.append(decimal: entry.bytesReceived)
            line.append(#","bytes_out":"#)
            line.append(decimal: entry.bytes)
            line.append(#","duration_ms":"#)
            line.append(milliseconds: entry.nanoseconds)
        }
        if let id = entry.requestID { append(#","request_id":"#, id.description, to: &line) }
        if let trace = entry.traceID { append(#","trace_id":"#, trace, to: &line) }
        append(#","peer":"#, entry.remoteAddress, to: &line)
        LineBytes.append(to: &line, room: 128) { line in
            line.append(#","hub":"#)
            line.append(decimal: entry.hub)
            switch entry.outcome {
            case .completed: line.append(#","outcome":"completed""#)
            case .cancelled: line.append(#","outcome":"cancelled""#)
            case .failed: line.append(#","outcome":"failed""#)
            }
            switch entry.version {
            case .http11: line.append(#","protocol":"HTTP/1.1""#)
            case .http10: line.append(#","protocol":"HTTP/1.0""#)
            case nil: break
            }
            if entry.isSecure { line.append(#","tls":true}"#) } else { line.append(#","tls":false}"#) }
            line.append("\n")
        }
    }

    private static func append(_ name: StaticString, _ value: String, to line: inout [UInt8]) {
        value.withBytes { append(name, $0, to: &line) }
    }

    private static func append(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>, to line: inout [UInt8]) {
        LineBytes.append(to: &line, room: name.utf8CodeUnitCount) { $0.append(name) }
        LogText.appendQuoted(value, to: &line)
    }

    private static func append(_ name: StaticString, cutting value: UnsafeBufferPointer<UInt8>, to line: inout [UInt8]) {
        guard value.count > AccessLogLine.longestText else { return append(name, value, to: &line) }
        append(name, String(decoding: value.prefix(AccessLogLine.longestText), as: UTF8.self) + "...", to: &line)
    }
}
