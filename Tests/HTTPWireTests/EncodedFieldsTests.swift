import HTTPTypes
import HTTPWire
import Testing

struct EncodedFieldsTests {
    private let date = HTTPDate(unixSeconds: 784_111_777)

    /// A head built from strings, without the serializer's code.
    private func reference(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ framing: ResponseFraming, _ version: HTTPVersion, keepAlive: Bool,
        idleSeconds: Int?
    ) -> String {
        let phrases = [200: "OK", 204: "No Content", 205: "Reset Content", 404: "Not Found", 503: "Service Unavailable"]
        let reason = status.reasonPhrase.isEmpty ? phrases[status.code] ?? "" : status.reasonPhrase
        var lines = ["HTTP/1.1 \(status.code) \(reason)"]
        let own = ["content-length", "transfer-encoding", "connection", "keep-alive", "date"]
        for field in fields where !own.contains(field.name.canonicalName) { lines.append("\(field.name): \(field.value)") }
        if status.kind != .informational {
            let hasBody = ![204, 205, 304].contains(status.code)
            var closes = !keepAlive
            switch framing {
            case _ where status.code == 205: lines.append("Content-Length: 0")
            case .length(let length) where hasBody: lines.append("Content-Length: \(length)")
            case .chunked where hasBody && version == .http11: lines.append("Transfer-Encoding: chunked")
            case .chunked where hasBody, .untilClose where hasBody: closes = true
            default: break
            }
            if closes {
                lines.append("Connection: close")
            } else {
                if version == .http10 || idleSeconds != nil { lines.append("Connection: keep-alive") }
                if let idleSeconds { lines.append("Keep-Alive: timeout=\(idleSeconds)") }
            }
            lines.append("Date: \(date)")
        }
        return lines.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    @Test(
        arguments: [
            .ok, .init(code: 200), .init(code: 200, reasonPhrase: "Fine"), .created, .noContent, .resetContent, .found,
            .notModified, .badRequest, .notFound, .init(code: 404), .init(code: 404, reasonPhrase: "Gone fishing"),
            .internalServerError, .init(code: 503), .init(code: 299), .init(code: 999), .earlyHints, .switchingProtocols,
        ] as [HTTPResponse.Status])
    func `a head has the expected bytes, in reserved memory and in an array`(status: HTTPResponse.Status) throws {
        let fieldSets: [HTTPFields] = [
            [:], [.contentType: "text/plain; charset=utf-8"],
            [.connection: "close", .server: "t", .init("DATE")!: "now", .setCookie: "a=b", .contentLength: "9", .setCookie: "c"],
        ]
        let framings: [ResponseFraming] = [
            .none, .length(0), .length(9), .length(10), .length(99), .length(1_024), .length(.max), .chunked, .untilClose,
        ]
        for fields in fieldSets {
            let encoded = try EncodedFields(fields)
            for framing in framings {
                for version in [HTTPVersion.http10, .http11] {
                    for (keepAlive, idleSeconds) in [(true, nil), (true, 75), (false, nil), (false, 5)] as [(Bool, Int?)] {
                        let expected = reference(
                            status, fields, framing, version, keepAlive: keepAlive, idleSeconds: idleSeconds)
                        var array = Array("before".utf8)
                        let framingOfArray = try ResponseSerializer.writeHead(
                            status: status, fields: fields, framing: framing, version: version, keepAlive: keepAlive,
                            idleSeconds: idleSeconds, date: date, into: &array)
                        #expect(String(decoding: array, as: UTF8.self) == "before" + expected)
                        var reserved: [UInt8] = []
                        try reserved.append(addingCapacity: ResponseSerializer.room(status, encoded)) { output in
                            let framingOfMemory = try ResponseSerializer.writeHead(
                                status: status, fields: encoded, framing: framing, version: version, keepAlive: keepAlive,
                                idleSeconds: idleSeconds, date: date, into: &output)
                            #expect(framingOfMemory == framingOfArray)
                        }
                        #expect(String(decoding: reserved, as: UTF8.self) == expected)
                    }
                }
            }
        }
    }

    @Test func `encoded fields omit those that the serializer writes itself`() throws {
        #expect(try EncodedFields([.date: "x", .connection: "x", .contentLength: "1", .transferEncoding: "x"]).byteCount == 0)
        #expect(try EncodedFields([.date: "x", .age: "1"]).byteCount == "Age: 1\r\n".utf8.count)
        #expect(EncodedFields().byteCount == 0)
    }

    @Test(arguments: [UInt8(1), 8, 11, 0x1F, 0x7F])
    func `a value with a control byte is not encoded`(byte: UInt8) {
        let fields = HTTPFields([HTTPField(name: .server, lenientValue: [0x61, byte])])
        #expect(throws: HTTPSerializeError.invalidFieldValue(name: "Server")) { try EncodedFields(fields) }
    }

    @Test func `a refused head leaves the reserved memory unchanged`() throws {
        var output = Array("before".utf8)
        #expect(throws: HTTPSerializeError.invalidStatus(99)) {
            try output.append(addingCapacity: 1_000) { output in
                _ = try ResponseSerializer.writeHead(
                    status: .init(code: 99), fields: EncodedFields(), framing: .none, version: .http11, keepAlive: true,
                    date: nil,
                    into: &output)
            }
        }
        #expect(output == Array("before".utf8))
    }

    @Test(arguments: [1, 9, 10, 15, 16, 255, 4_096])
    func `chunks are the same bytes in reserved memory and in an array`(size: Int) throws {
        let content = [UInt8](repeating: 0x61, count: size)
        var array: [UInt8] = []
        ResponseSerializer.writeChunk(content.span, into: &array)
        try ResponseSerializer.writeLastChunk(into: &array)
        var whole: [UInt8] = []
        whole.append(addingCapacity: size + ResponseSerializer.chunkRoom + 5) { output in
            ResponseSerializer.writeChunk(content.span, into: &output)
            ResponseSerializer.writeLastChunk(into: &output)
        }
        #expect(whole == array)
        var parts: [UInt8] = []
        parts.append(addingCapacity: size + ResponseSerializer.chunkRoom + 5) { output in
            ResponseSerializer.writeChunkHeader(size: size, into: &output)
            for byte in content { output.append(byte) }
            ResponseSerializer.writeChunkEnd(into: &output)
            ResponseSerializer.writeLastChunk(into: &output)
        }
        #expect(parts == array)
    }
}
