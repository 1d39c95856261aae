import HTTPTypes

/// How the upstream responds to one request: correctly in about half of the cases, otherwise with one fault.
struct Misbehaviour: Sendable {
    /// A description for reports.
    let name: String
    /// The kind of fault, for counts.
    let kind: String
    var script: HostileScript
    let permitted: HostilePlan.Permitted
    /// Whether the response takes longer than the deadline, which is then short.
    var isSlow = false
    /// Whether all content that is sent belongs to the exchange.
    var hasTrueBytes = true
    /// The status that is sent, if it is not the plan's.
    var status: Int?
    var body: [UInt8]?

    private init(
        _ kind: String, _ detail: String = "", doing steps: [HostileScript.Step], _ afterwards: HostileScript.Afterwards = .serve,
        isLast: Bool = false, permitted: HostilePlan.Permitted = .answer
    ) {
        self.kind = kind
        name = detail.isEmpty ? kind : "\(kind), \(detail)"
        script = HostileScript(name: name, steps: steps, afterwards: afterwards, isLast: isLast)
        self.permitted = permitted
    }

    static func draw(
        for call: HostileCall, _ answer: HostileAnswer, _ exchange: Int, isTLS: Bool, _ random: inout HostileRandom
    ) -> Misbehaviour {
        if call.isStalled { return stalled(call, answer, &random) }
        switch random.below(100) {
        case 0..<42: return honest(answer, &random)
        case 42..<50: return slowButHonest(answer, &random)
        case 50..<64: return cut(answer, isTLS: isTLS, &random)
        case 64..<66: return tooSlow(answer, &random)
        case 66..<76: return stray(answer, &random)
        case 76..<84: return endsLater(answer, &random)
        case 84..<88: return early(call, answer, &random)
        case 88..<96: return lie(call, exchange, &random)
        case 96..<97: return endless(call, exchange, &random)
        default: return tickets(answer)
        }
    }

    // MARK: Correct

    /// The response in one piece. It ends the connection if it says so or has no other end; sometimes it only says so.
    private static func honest(_ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        if answer.saysClose, answer.framing != .untilClose, random.chance(400) {
            return Misbehaviour("says close and stays", doing: [.readBody, .send(answer.bytes)], isLast: true)
        }
        return Misbehaviour("honest", doing: [.readBody, .send(answer.bytes)], end(of: answer), isLast: isLast(answer))
    }

    /// Partly byte by byte, or with a harmless pause.
    private static func slowButHonest(_ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        let place = position(in: answer, &random)
        let (before, after) = (Array(answer.bytes[..<place]), Array(answer.bytes[place...]))
        if random.chance(500) {
            let (few, rest) = (Array(after.prefix(80)), Array(after.dropFirst(80)))
            return Misbehaviour(
                "dribbled", "from byte \(place)", doing: [.readBody, .send(before), .dribble(few), .send(rest)], end(of: answer),
                isLast: isLast(answer))
        }
        let pause = 1 + random.below(20)
        return Misbehaviour(
            "paused", "\(pause) ms at byte \(place) of \(answer.bytes.count)",
            doing: [.readBody, .send(before), .pause(milliseconds: pause), .send(after)], end(of: answer), isLast: isLast(answer))
    }

    private static func tickets(_ answer: HostileAnswer) -> Misbehaviour {
        Misbehaviour(
            "ticket after the answer", doing: [.readBody, .send(answer.bytes), .ticket], end(of: answer), isLast: isLast(answer))
    }

    // MARK: Cut

    /// FIN or RST at any byte, including the last.
    private static func cut(_ answer: HostileAnswer, isTLS: Bool, _ random: inout HostileRandom) -> Misbehaviour {
        var ending = random.pick(HostileEnding.allCases)
        let place = position(in: answer, &random)
        let isWhole = place == answer.bytes.count
        if ending == .torn, place < 2 || isWhole { ending = .cut }
        // A body that ends with its connection looks the same whether it is complete or truncated.
        if answer.framing == .untilClose, place >= answer.headEnd, !isWhole, !isTLS || ending == .proper || ending == .notifyOnly
        {
            ending = .reset
        }
        if answer.framing == .untilClose, isWhole, !isTLS, ending != .reset { ending = .proper }
        let permitted: HostilePlan.Permitted =
            if ending == .reset, isWhole {
                // A reset may overtake the bytes sent before it.
                answer.framing == .untilClose ? .error : .answerOrError
            } else if answer.framing == .untilClose {
                isWhole && (ending == .proper || ending == .notifyOnly) ? .answer : .error
            } else if isWhole {
                .answer
            } else if answer.framing == .chunked, place >= answer.contentEnd - 1, ending != .torn {
                // The last chunk has arrived, only the end of the trailers is missing.
                .answerOrError
            } else {
                .error
            }
        let sent = Array(answer.bytes[..<place])
        let steps: [HostileScript.Step] = ending == .torn ? [.sendHalf(sent)] : [.send(sent)]
        return Misbehaviour(
            "cut", "\(ending.rawValue) at byte \(place) of \(answer.bytes.count) (\(answer.framing))", doing: [.readBody] + steps,
            .end(ending), isLast: !isWhole || isLast(answer), permitted: permitted)
    }

    /// Silence at any byte, longer than the deadline.
    private static func tooSlow(_ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        let place = min(position(in: answer, &random), answer.bytes.count - 1)
        // A client may ignore the last CRLF of the trailers.
        let permitted: HostilePlan.Permitted = answer.framing == .chunked && place >= answer.contentEnd ? .answerOrError : .error
        var plan = Misbehaviour(
            "silent", "from byte \(place) of \(answer.bytes.count)",
            doing: [.readBody, .send(Array(answer.bytes[..<place])), .awaitEnd],
            isLast: true, permitted: permitted)
        plan.isSlow = true
        return plan
    }

    // MARK: After the response

    /// Bytes that belong to no response, together with the response or later.
    private static func stray(_ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        let bytes = random.pick(StrayBytes.allCases)
        let end: HostileEnding? = bytes == .timeout || random.chance(200) ? random.pick([.proper, .cut, .reset]) : nil
        // Nothing can follow a response that ends with its connection, and a large one would arrive in several segments.
        let isAtOnce = random.chance(500) && answer.bytes.count < 8000
        guard answer.framing != .untilClose, !answer.saysClose else { return honest(answer, &random) }
        guard !isAtOnce else {
            // In the same record and segment, so the client has it together with the response.
            return Misbehaviour(
                "stray bytes at once", "\(bytes.rawValue), then \(end?.rawValue ?? "nothing")",
                doing: [.readBody, .send(answer.bytes + bytes.bytes(like: answer))], end.map { .end($0) } ?? .serve, isLast: true,
                permitted: end == .reset ? .answerOrError : .answer)
        }
        // A reset may overtake the bytes sent before it if the reader is slow.
        let pause = random.pick([0, 1, 5, 60])
        return Misbehaviour(
            "stray bytes later", "\(bytes.rawValue) after \(pause) ms, then \(end?.rawValue ?? "nothing")",
            doing: [.readBody, .send(answer.bytes)], .stray(bytes.bytes(like: answer), milliseconds: pause, end: end),
            permitted: end == .reset ? .answerOrError : .answer)
    }

    /// The connection ends while it is idle, or as it is used again.
    private static func endsLater(_ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        guard answer.framing != .untilClose, !answer.saysClose else { return honest(answer, &random) }
        let ending = random.pick([HostileEnding.proper, .cut, .reset])
        if random.chance(500) {
            return Misbehaviour(
                "ends on the next request", ending.rawValue, doing: [.readBody, .send(answer.bytes)], .endOnNextRequest(ending))
        }
        let pause = random.pick([0, 0, 1, 3, 20])
        return Misbehaviour(
            "ends when idle", "\(ending.rawValue) after \(pause) ms", doing: [.readBody, .send(answer.bytes)],
            .endWhenIdle(ending, milliseconds: pause), permitted: ending == .reset ? .answerOrError : .answer)
    }

    // MARK: Before the request's end

    /// Responds before it has read the body.
    private static func early(_ call: HostileCall, _ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        guard call.uploadCount > 0 else { return honest(answer, &random) }
        let part = random.below(call.uploadCount)
        let start: [HostileScript.Step] = random.chance(500) ? [] : call.expectsContinue ? [.readBody] : [.readSome(part)]
        switch random.below(4) {
        case 0:
            // Unread bytes turn the end into a reset, which may overtake the response.
            return Misbehaviour(
                "answers early and resets", doing: start + [.send(answer.bytes)], .end(.reset), isLast: true,
                permitted: answer.framing == .untilClose ? .error : .answerOrError)
        case 1:
            return Misbehaviour(
                "goes away early", doing: start, .end(random.pick([.proper, .cut, .reset])), isLast: true, permitted: .error)
        default:
            return Misbehaviour(
                "answers early", doing: start + [.send(answer.bytes)], end(of: answer), isLast: isLast(answer))
        }
    }

    /// The client's upload is stalled.
    private static func stalled(_ call: HostileCall, _ answer: HostileAnswer, _ random: inout HostileRandom) -> Misbehaviour {
        let start: [HostileScript.Step] = random.chance(500) || call.expectsContinue ? [] : [.readSome(call.uploadCount)]
        switch random.below(10) {
        case 0..<6:
            return Misbehaviour(
                "answers a stalled upload", doing: start + [.send(answer.bytes)], end(of: answer), isLast: true)
        case 6..<9:
            return Misbehaviour(
                "leaves a stalled upload", doing: start, .end(random.pick([.proper, .cut, .reset])), isLast: true,
                permitted: .error)
        default:
            var plan = Misbehaviour("waits for a stalled upload", doing: [.readBody], isLast: true, permitted: .error)
            plan.isSlow = true
            return plan
        }
    }

    // MARK: Malformed

    private static func lie(_ call: HostileCall, _ exchange: Int, _ random: inout HostileRandom) -> Misbehaviour {
        let lie = random.pick(random.chance(700) ? FramingLie.refused : FramingLie.tolerable)
        let body = HostileContent.bytes(exchange, 2 + random.below(2000))
        let isHead = call.method == .head
        var plan = Misbehaviour(
            "malformed", lie.name, doing: [.readBody, .send(lie.bytes(exchange, body))], isLast: lie.isLast || isHead,
            // A response to HEAD has no body that could be framed wrongly.
            permitted: lie.mayBeRead || isHead ? .answerOrError : .error)
        (plan.status, plan.body, plan.hasTrueBytes) = (200, isHead ? [] : body, !lie.spoilsBody)
        return plan
    }

    private static func endless(_ call: HostileCall, _ exchange: Int, _ random: inout HostileRandom) -> Misbehaviour {
        let part = random.pick(EndlessFraming.allCases)
        var plan = Misbehaviour(
            "endless", part.rawValue, doing: [.readBody, .send(part.opening(exchange)), .flood(part.block, limit: 3_000_000)],
            isLast: true,
            permitted: call.method == .head ? .answerOrError : .error)
        (plan.status, plan.hasTrueBytes) = (200, false)
        return plan
    }

    // MARK: Parts

    private static func isLast(_ answer: HostileAnswer) -> Bool { answer.saysClose || answer.framing == .untilClose }

    private static func end(of answer: HostileAnswer) -> HostileScript.Afterwards { isLast(answer) ? .end(.proper) : .serve }

    /// A position in the response. Positions where a part begins or ends are more likely.
    private static func position(in answer: HostileAnswer, _ random: inout HostileRandom) -> Int {
        let count = answer.bytes.count
        switch random.below(8) {
        case 0: return random.pick([0, 1, 5, 9, 13])
        case 1: return random.below(answer.headEnd)
        case 2: return answer.headEnd - random.below(5)
        case 3: return min(count, answer.headEnd + random.below(40))
        case 4: return answer.contentEnd + random.below(count - answer.contentEnd + 1)
        case 5: return count - random.below(min(count, 12))
        case 6: return count
        default: return random.below(count + 1)
        }
    }
}

/// Bytes after a response that belong to no response.
enum StrayBytes: String, CaseIterable, Sendable {
    case second = "a second answer"
    case same = "the same answer again"
    case timeout = "a 408"
    case surplus = "surplus bytes"
    case body = "a body that the answer has not"
    case lineEnd = "an empty line"
    case interim = "an interim answer"
    case half = "half a head"

    func bytes(like answer: HostileAnswer) -> [UInt8] {
        switch self {
        case .same: answer.bytes
        default: Array(text.utf8)
        }
    }

    private var text: String {
        switch self {
        case .second: "HTTP/1.1 200 OK\r\nX-Exchange: stray\r\nContent-Length: 5\r\n\r\nSTRAY"
        case .timeout: "HTTP/1.1 408 Request Timeout\r\nX-Exchange: stray\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow"
        case .surplus: "surplus"
        case .body, .same: "{\"stray\": 1}"
        case .lineEnd: "\r\n"
        case .interim: "HTTP/1.1 103 Early Hints\r\n\r\n"
        case .half: "HTTP/1.1 200 OK\r\nContent-"
        }
    }
}
