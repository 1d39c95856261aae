import FuzzSupport
import HTTPTypes
import HTTPWire

/// Runs one input through every part of HTTPWire that processes a peer's bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let crlf = Array("\r\n".utf8)
    checkStream(input)
    checkStream(Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8) + input)
    for method in ["GET", "CONNECT", "OPTIONS"] {
        checkStream(Array("\(method) ".utf8) + input + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    }
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect"] {
        checkStream(
            Array("POST / HTTP/1.1\r\n\(name): ".utf8) + input + crlf + Array((name == "Host" ? "" : "Host: a\r\n").utf8) + crlf)
    }
    checkText(input)
    return 0
}

/// Small limits, so that mutations reach them.
private let small = HTTPWireLimits(
    requestLine: 60, fieldLine: 60, fieldCount: 6, headBytes: 160, chunkExtensionBytes: 12, bodyExtensionBytes: 20,
    trailerBytes: 40)

/// The result is the same for whole input, single bytes and random pieces, and accepted requests are well-formed.
private func checkStream(_ bytes: [UInt8]) {
    var cuts = Cuts(of: bytes)
    for limits in [HTTPWireLimits(), small] {
        let whole = Conversation(bytes, ends: [bytes.count], limits: limits)
        require(Conversation(bytes, ends: cuts.ends(bytes.count), limits: limits) == whole, "pieces differ from the whole")
        if bytes.count <= 512 {
            require(
                Conversation(bytes, ends: Array(0...bytes.count), limits: limits) == whole, "bytes differ from the whole")
        }
        for (head, exchange) in zip(whole.heads, whole.exchanges) {
            checkHead(head)
            checkRoundTrip(head, exchange)
        }
    }
}

/// Checks what holds for each accepted head, independently of the parser.
private func checkHead(_ head: RequestHead) {
    head.withBytes { bytes in
        for index in bytes.indices {
            switch bytes[index] {
            case 0x0D: require(index + 1 < bytes.count && bytes[index + 1] == 0x0A, "a bare CR was taken")
            case 0x0A: require(index > 0 && bytes[index - 1] == 0x0D, "a bare LF was taken")
            case 0x09: break
            case 0..<0x20, 0x7F: fatalError("a control byte was taken")
            default: break
            }
        }
    }
    let hosts = head.values(of: .init("Host")!)
    require(hosts.count == 1 || hosts.isEmpty && head.version == .http10, "\(hosts.count) hosts were taken")
    for host in hosts {
        let isWrong = host.isEmpty || host.utf8.contains { $0 > 0x7F || " \t/?#@\\<>\"^`{|}".utf8.contains($0) }
        require(!isWrong, "the host \(host) was taken")
    }
    let lengths = head.values(of: .contentLength)
    let codings = head.values(of: .transferEncoding)
    require(lengths.count + codings.count <= 1, "two framings were taken")
    switch head.framing {
    case .none: require(lengths.isEmpty && codings.isEmpty, "framing was lost")
    case .length(let length):
        let isDigits = lengths[0].utf8.allSatisfy { ("0"..."9").contains(Unicode.Scalar($0)) }
        require(isDigits && Int(lengths[0]) == length, "the length \(lengths[0]) was taken")
    case .chunked: require(codings[0].lowercased() == "chunked" && head.version == .http11, "\(codings[0]) was taken")
    }
    // No property of an accepted head traps.
    _ = (head.request, head[.cookie], head.query.map { QueryItems($0) }, head.contentLength, head.asksForKeepAlive)
}

/// An accepted request that is rewritten from its parts is accepted with the same meaning.
private func checkRoundTrip(_ head: RequestHead, _ exchange: Conversation.Exchange) {
    var bytes = Array("\(head.method.rawValue) \(head.target) \(head.version)\r\n".utf8)
    for field in head.fields {
        bytes += Array("\(field.name.rawName): ".utf8)
        field.withUnsafeBytesOfValue { bytes += Array($0) }
        bytes += Array("\r\n".utf8)
    }
    bytes += Array("\r\n".utf8)
    if head.framing == .chunked {
        ResponseSerializer.writeChunk(exchange.content.span, into: &bytes)
        if exchange.isComplete { try? ResponseSerializer.writeLastChunk(trailers: exchange.trailers, into: &bytes) }
    } else {
        bytes += exchange.content
    }
    let limits = HTTPWireLimits(requestLine: 65_535, fieldLine: 65_535, headBytes: 65_535, trailerBytes: 65_535)
    let again = Conversation(bytes, ends: [bytes.count], limits: limits)
    require(again.error == nil && again.exchanges == [exchange], "written again, it is not the same")
}

/// Decoding never traps, and reverses encoding.
private func checkText(_ bytes: [UInt8]) {
    for plusIsSpace in [false, true] {
        guard let text = PercentDecoding.decode(bytes.span, plusIsSpace: plusIsSpace) else { continue }
        require(!text.utf8.contains(0), "NUL was decoded")
        let encoded = text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        require(PercentDecoding.decode(encoded, plusIsSpace: plusIsSpace) == text, "encoded, it is not the same")
    }
    if let items = QueryItems(String(decoding: bytes, as: UTF8.self)) {
        for item in items { require(items.values(of: item.name).contains(item.value), "an item is lost") }
    }
}
