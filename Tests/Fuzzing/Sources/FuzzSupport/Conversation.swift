public import HTTPTypes
public import HTTPWire

/// What the bytes of a connection come to: requests with their bodies, up to an error or the end of what has arrived.
public struct Conversation: Hashable {
    /// One request.
    public struct Exchange: Hashable {
        /// Target, path, query, authority, form and version.
        public var head: [String?]
        /// Each as name=value.
        public var fields: [String]
        /// Of the head.
        public var framing: BodyFraming
        /// Of the head.
        public var method: String
        /// Of the head.
        public var keepAlive: Bool
        /// Of the head.
        public var expectsContinue: Bool
        /// As far as it came.
        public var content: [UInt8] = []
        /// Behind the content.
        public var trailers: HTTPFields = [:]
        /// The body has ended.
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
    /// Their heads.
    public private(set) var heads: [RequestHead] = []
    /// What ended it, if it was not the end of the bytes.
    public private(set) var error: HTTPParseError.Code?
    /// The head that was refused asked by HEAD, as far as it could be read.
    public private(set) var refusesHead = false
    /// Bytes taken for heads and bodies, as long as there was no error.
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
            // How much was consumed before an error depends on how the bytes were cut.
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

    /// Whether all that was parsed is the same.
    public static func == (a: Conversation, b: Conversation) -> Bool {
        a.exchanges == b.exchanges && a.error == b.error && a.consumed == b.consumed
    }

    /// Hashes the requests.
    public func hash(into hasher: inout Hasher) { hasher.combine(exchanges) }
}
