public import HTTPTypes
public import HTTPWire

/// The requests on a connection with their bodies, up to an error or the end of the bytes.
public struct Conversation: Hashable {
    /// One request.
    public struct Exchange: Hashable {
        /// The target, path, query, authority, form and version.
        public var head: [String?]
        /// The fields, each as name=value.
        public var fields: [String]
        /// The framing of the body.
        public var framing: BodyFraming
        /// The method of the head.
        public var method: String
        /// Whether the head keeps the connection alive.
        public var keepAlive: Bool
        /// Whether the head expects 100 Continue.
        public var expectsContinue: Bool
        /// The body's content, as far as it arrived.
        public var content: [UInt8] = []
        /// The trailers after the content.
        public var trailers: HTTPFields = [:]
        /// Whether the body has ended.
        public var isComplete = false

        init(_ head: RequestHead) {
            self.head = [head.target, head.path, head.query, head.authority, "\(head.targetForm)", "\(head.version)"]
            fields = head.fields.map { "\($0.name.rawName)=\($0.value)" }
            framing = head.framing
            method = head.method.rawValue
            keepAlive = head.keepAlive
            expectsContinue = head.expectsContinue
        }
    }

    /// The requests, in order.
    public private(set) var exchanges: [Exchange] = []
    /// The heads of the requests.
    public private(set) var heads: [RequestHead] = []
    /// The error that ended the conversation, if any.
    public private(set) var error: HTTPParseError.Code?
    /// Whether the refused head is a HEAD request, as far as it could be read.
    public private(set) var refusesHead = false
    /// The number of bytes consumed by heads and bodies; 0 after an error.
    public private(set) var consumed = 0

    /// Parses `bytes`, of which at each step the first `ends` have arrived.
    public init(_ bytes: [UInt8], ends: [Int], limits: HTTPWireLimits = HTTPWireLimits()) {
        var parser = RequestHeadParser(limits: limits)
        var decoder: BodyDecoder?
        do throws(HTTPParseError) {
            for end in ends {
                while true {
                    let rest = bytes[consumed..<end]
                    if decoder != nil {
                        let step = try decoder!.decode(rest.span.bytes)
                        if case .data(let range) = step.outcome {
                            exchanges[exchanges.count - 1].content +=
                                rest[rest.startIndex + range.lowerBound..<rest.startIndex + range.upperBound]
                        }
                        consumed += step.consumed
                        if step.outcome == .needMore { break }
                        guard step.outcome == .end else { continue }
                        exchanges[exchanges.count - 1].trailers = decoder!.trailers
                        exchanges[exchanges.count - 1].isComplete = true
                        decoder = nil
                    } else {
                        guard let head = try parser.parse(rest.span.bytes) else { break }
                        consumed += head.byteCount
                        exchanges.append(Exchange(head))
                        heads.append(head)
                        decoder = BodyDecoder(framing: head.framing, limits: limits)
                    }
                }
            }
        } catch {
            self.error = error.code
            refusesHead = decoder == nil && parser.isHead
            // An error is final, whatever follows.
            for start in [consumed, (consumed + bytes.count) / 2] {
                let again = Self.error(in: bytes[start...], &parser, &decoder)
                guard again == error else { fatalError("after \(error) another error or none: \(again as Any)") }
            }
            // The number of bytes consumed before an error depends on how they were cut.
            consumed = 0
        }
    }

    private static func error(
        in rest: ArraySlice<UInt8>, _ parser: inout RequestHeadParser, _ decoder: inout BodyDecoder?
    ) -> HTTPParseError? {
        do throws(HTTPParseError) {
            if decoder != nil { _ = try decoder!.decode(rest.span.bytes) } else { _ = try parser.parse(rest.span.bytes) }
            return nil
        } catch {
            return error
        }
    }

    /// Whether both have the same requests and the same error.
    public static func == (a: Conversation, b: Conversation) -> Bool {
        a.exchanges == b.exchanges && a.error == b.error && a.consumed == b.consumed
    }

    /// Hashes the requests.
    public func hash(into hasher: inout Hasher) { hasher.combine(exchanges) }
}
