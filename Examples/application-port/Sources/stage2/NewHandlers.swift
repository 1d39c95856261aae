import TandemHTTP
import TandemJSON
import TicketModel

/// The new handlers.
struct NewHandlers: Sendable {
    let store: TicketStore
    let rates: Rates

    /// Adds each route with its old handler, which answers until the configuration says otherwise.
    func addRoutes(to router: Router, replacing old: Handlers) {
        let page = AnswerComparison.json.json(ignoring: "/generated", because: "the time of the answer")
        router.migrate(.get, "/tickets", from: old.list, to: list, comparing: page)
        router.migrate(.post, "/tickets", from: old.create, to: create)
        router.migrate(.get, "/tickets/{id}", from: old.get, to: get, comparing: .json)
        router.migrate(.get, "/tickets/{id}/price", from: old.price, to: price, comparing: .json)
        router.migrate(.put, "/tickets/{id}/attachment", from: old.upload, to: upload)
        router.migrate(.get, "/tickets/{id}/attachment", from: old.download, to: download, comparing: .exact.comparing(.eTag))
    }

    func list(_ request: Request) async throws -> Response {
        let limit = try request.query.valueIfPresent("limit", in: 1...100) ?? 20
        let end = try request.query.valueIfPresent("before", in: 1...Int.max) ?? Int.max
        return try Response(json: TicketPage(tickets: await store.newest(limit, before: end)))
    }

    func create(_ request: Request) async throws -> Response {
        let new = try await request.json(as: NewTicket.self, upTo: 65_536)
        try new.check()
        let ticket = try await store.insert(new)
        return try Response(status: .created, headers: [.location: "/tickets/\(ticket.id)"], json: ticket)
    }

    func get(_ request: Request) async throws -> Response { try Response(json: await store.ticket(request.id())) }

    func price(_ request: Request) async throws -> Response {
        let currency = try request.query.value("currency", as: String.self)
        guard isCurrency(currency) else { throw TicketError.invalid("currency", "expected three capital letters") }
        let ticket = try await store.ticket(request.id())
        return try Response(json: Price(of: ticket, in: currency, rate: await rates.rate(of: currency)))
    }

    func upload(_ request: Request) async throws -> Response {
        var upload = try await store.beginUpload(to: request.id())
        do {
            while let bytes = try await request.body.read() { try await store.append(upload.next(bytes)) }
            return try Response(json: await store.finish(upload))
        } catch {
            try await store.discard(upload)
            throw error
        }
    }

    func download(_ request: Request) async throws -> Response {
        let stored = try await store.attachment(of: request.id())
        return Response(
            headers: [.contentType: "application/octet-stream", .eTag: "\"\(stored.attachment.checksum)\""],
            contentLength: stored.attachment.bytes,
            streaming: { writer in
                for number in 0..<stored.pieces { try await writer.write(store.piece(number, of: stored)) }
            })
    }
}
