import FuzzSupport
import Glibc
import HTTPTypes
import HTTPWire

/// Sends one input over a connection to a live server, and checks the output and that nothing is left behind.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let server = Server.shared
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    var cuts = Cuts(of: input)
    let peer = Peer(port: server.port)
    peer.send(input, ends: cuts.ends(input.count))
    if cuts.draw(below: 8) == 0 {
        peer.reset()
    } else {
        peer.halfClose()
        let (output, isReset) = peer.rest()
        check(output, isReset, to: input, limits: server.limits)
        peer.close()
    }
    server.expectNothingLeft()
    return 0
}

/// Compares the responses to an input with the parser's reading of it.
private func check(_ output: [UInt8], _ isReset: Bool, to input: [UInt8], limits: HTTPWireLimits) {
    let asked = Conversation(input, ends: [input.count], limits: limits)
    // A streamed response may have begun when its request's body turns out to be malformed or too long. Then it is truncated.
    let mayBeCut = asked.exchanges.contains { !$0.isComplete || $0.content.count > 100 }
    require(mayBeCut || !isReset, "the server resets")
    let (answers, isCut) = answers(in: output, toHead: asked.exchanges.map { $0.method == "HEAD" } + [asked.refusesHead])
    require(mayBeCut || !isCut, "an answer is cut")
    // No request after one that ends its connection is answered.
    let most = asked.exchanges.firstIndex { !$0.keepAlive }.map { $0 + 1 } ?? asked.exchanges.count + 1
    require(answers.count <= most, "\(answers.count) answers where at most \(most) are due")
    require(answers.dropLast().allSatisfy { !$0.closes }, "an answer follows one that closes")
    for (exchange, answer) in zip(asked.exchanges, answers) where !exchange.keepAlive {
        require(answer.closes, "not closed")
    }
    require(asked.exchanges.isEmpty || !answers.isEmpty, "asked, and not answered")
    if let error = asked.error, asked.exchanges.allSatisfy(\.isComplete), answers.last?.closes != true, !isCut {
        fatalError("\(error) was not answered as the last")
    }
    // The response to a refused head has the parser's status.
    if answers.count > asked.exchanges.count {
        let status = answers[asked.exchanges.count].status
        require(asked.error.map { HTTPParseError($0).status } == status, "answered \(status) where nothing was asked")
    }
}
