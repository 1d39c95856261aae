import TandemHTTP
import TandemJSON
import TicketModel

/// The handlers.
struct NewHandlers: Sendable {
    let store: TicketStore
    let rates: Rates

    func addRoutes(to router: Router) {
        router.get("/tickets", list)
        router.post("/tickets", create)
        router.get("/tickets/{id}", get)
        router.get("/tickets/{id}/price", price)
        router.put("/tickets/{id}/attachment", upload)
        router.get("/tickets/{id}/attachment", download)
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

extension Request {
    func id() throws -> Int { try parameters.value("id", as: Int.self, in: 1...Int.max) }
}
