/// The end of a green thread: what is linked to it is called, one after the other, and then who waits for it goes on.
final class Completion<Success: Sendable>: Sendable {
    let ended = Event<Success>(waitedForAs: "GreenThread.wait")
    private let links = CompletionLinks()

    /// Called once, where it ended. What a handler links meanwhile is called after it, from here.
    func end(_ outcome: Result<Success, any Error>) {
        while let handler = links.next(orSettle: { ended.settle(outcome) }) { handler(outcome) }
    }

    func link(_ handler: @escaping @Sendable (Result<Success, any Error>) -> Void) -> CompletionLink {
        let erased: CompletionLinks.Handler = { handler($0 as! Result<Success, any Error>) }
        switch links.add(erased) {
        case .linked(let key): return CompletionLink { self.links.remove(key) }
        case .toBeCalled:
            end(ended.outcome!)
            return CompletionLink { false }
        case .busy:
            handler(ended.outcome!)
            return CompletionLink { false }
        }
    }
}
