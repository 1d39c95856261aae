/// One connection of a hostile upstream. Reads requests and runs their scripts. Used by one thread.
final class HostileConnection {
    /// Why another request on this connection would be the client's fault.
    private enum Hazard {
        case none
        /// The client knew the reason before the last exchange was over.
        case certain(String)
        /// The reason arose at this time (`HostileWire.now`), while the connection was idle.
        case recent(String, Int, HostileLedger.Excuse)
    }

    /// A client checks an idle connection before it uses it. Events between the check and the use are not held
    /// against it. The window is a tenth of a second, longer than a busy machine keeps a thread from running.
    private static let window = 100_000_000

    private let wire: HostileWire
    private let ledger: HostileLedger
    private let script: @Sendable (HostileRequest) -> HostileScript
    private var input: [UInt8] = []
    private var hazard = Hazard.none
    private var body: HostileRequestBody?
    private var last = "none"

    init(_ wire: HostileWire, _ ledger: HostileLedger, _ script: @escaping @Sendable (HostileRequest) -> HostileScript) {
        self.wire = wire
        self.ledger = ledger
        self.script = script
    }

    /// Serves until the connection is over.
    func run() {
        do {
            try wire.open()
            while let request = try nextRequest(), mayServe(request) {
                let script = script(request)
                last = "\(request.method) \(request.path)" + (script.name.isEmpty ? "" : " (\(script.name))")
                body = HostileRequestBody(request)
                try play(script, request)
                guard try finish(script) else { return }
            }
        } catch {
            // The client has gone.
        }
    }

    // MARK: Requests

    /// Returns the next request; nil if none arrives within a minute.
    private func nextRequest() throws(HostileWireError) -> HostileRequest? {
        try finishBody()
        if input.isEmpty, !wire.hasInput(within: 60_000) { return nil }
        while true {
            if let end = headEnd() {
                let head = Array(input[..<end])
                input.removeFirst(end)
                if let request = HostileRequest(head) {
                    ledger.note(request)
                    return request
                }
                ledger.violation("not a request, after \(last): \(text(head))")
                return nil
            }
            input += try wire.receive()
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(100), as: UTF8.self).debugDescription }

    private func headEnd() -> Int? {
        let mark: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a]
        guard input.count >= 4 else { return nil }
        return (0...(input.count - 4)).first { input[$0] == 0x0d && input[$0..<($0 + 4)].elementsEqual(mark) }.map { $0 + 4 }
    }

    /// Whether the client may send this request on this connection. If not, the connection is reset.
    private func mayServe(_ request: HostileRequest) -> Bool {
        switch hazard {
        case .none: return true
        case .certain(let why): ledger.violation("\(request.method) \(request.path) followed \(last), but \(why)")
        case .recent(let why, let since, let excuse):
            let age = wire.lastArrival - since
            if age < Self.window {
                ledger.count { $0.severed += 1 }
                ledger.excuse(request.exchange, excuse)
            } else {
                ledger.violation("\(request.method) \(request.path) followed \(last), but \(why) \(age / 1_000_000) ms earlier")
            }
        }
        wire.end(.reset)
        return false
    }

    // MARK: Scripts

    private func play(_ script: HostileScript, _ request: HostileRequest) throws(HostileWireError) {
        for step in script.steps {
            switch step {
            case .send(let bytes): try wire.send(bytes)
            case .dribble(let bytes): for byte in bytes { try wire.send([byte]) }
            case .pause(let milliseconds): if wire.awaitEnd(within: milliseconds) { throw .ended }
            case .readBody:
                if request["expect"] == "100-continue", body?.isOver == false {
                    try wire.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
                }
                try finishBody()
                if let expected = script.expectedBody, let content = body?.content, content != expected {
                    ledger.violation("\(request.path) had a wrong body: \(content.count) bytes, expected \(expected.count)")
                }
            case .readSome(let count):
                while let body, !body.isOver, body.content.count < count { try readBodyPiece() }
            case .flood(let block, let limit):
                var sent = 0
                while sent < limit {
                    try wire.send(block)
                    sent += block.count
                    ledger.count { $0.flooded += block.count }
                }
                wire.awaitEnd(within: 5000)
                throw .ended
            case .awaitEnd:
                wire.awaitEnd(within: 5000)
                throw .ended
            case .sendHalf(let bytes): try wire.sendHalf(bytes)
            case .ticket: try wire.sendTicket()
            case .call(let body): body()
            }
        }
    }

    private func readBodyPiece() throws(HostileWireError) {
        if input.isEmpty { input = try wire.receive() }
        guard body!.take(from: &input) else {
            ledger.violation("\(last): its body is malformed, or was left incomplete before another request: \(text(input))")
            throw .failed
        }
        guard !body!.isOver, !input.isEmpty else { return }
        input += try wire.receive()
    }

    private func finishBody() throws(HostileWireError) {
        while let body, !body.isOver { try readBodyPiece() }
    }

    // MARK: The time between requests

    /// Returns whether the connection goes on.
    private func finish(_ script: HostileScript) throws(HostileWireError) -> Bool {
        let goesOn = try finish(script.afterwards)
        if script.isLast { hazard = .certain("that exchange left the connection unusable") }
        return goesOn
    }

    private func finish(_ afterwards: HostileScript.Afterwards) throws(HostileWireError) -> Bool {
        hazard = .none
        switch afterwards {
        case .serve: return true
        case .end(let ending): return end(ending)
        case .endWhenIdle(let ending, let milliseconds):
            if try isIdle(for: milliseconds) { return end(ending) }
        case .stray(let bytes, let milliseconds, let ending):
            if try isIdle(for: milliseconds) {
                try wire.send(bytes)
                let goesOn = ending.map { end($0) } ?? true
                hazard = .recent("the upstream had sent stray bytes", HostileWire.now, .strayBytes)
                return goesOn
            }
        case .endOnNextRequest(let ending):
            guard let request = try nextRequest() else { return false }
            ledger.count { $0.severed += 1 }
            ledger.excuse(request.exchange, .connectionEnded)
            wire.end(ending)
            if ending != .reset { wire.awaitEnd(within: 1000) }
            return false
        }
        return true
    }

    /// Whether no request arrives within this time, after the last one was read to its end.
    private func isIdle(for milliseconds: Int) throws(HostileWireError) -> Bool {
        try finishBody()
        return input.isEmpty && !wire.hasInput(within: milliseconds)
    }

    /// Returns whether a request may still arrive that has to be judged.
    private func end(_ ending: HostileEnding) -> Bool {
        // After a reset the upstream cannot see what was on its way.
        if ending == .reset { ledger.noteReset() }
        wire.end(ending)
        hazard = .recent("the upstream had ended the connection", HostileWire.now, .connectionEnded)
        return ending != .reset
    }
}
