import TicketModel

/// The handlers.
struct Handlers: Sendable {
    let store: TicketStore
    let rates: Rates

    func addRoutes(to router: Router) {
        router.on("GET", "/tickets", list)
        router.on("POST", "/tickets", create)
        router.on("GET", "/tickets/{id}", get)
        router.on("GET", "/tickets/{id}/price", price)
        router.on("PUT", "/tickets/{id}/attachment", upload)
        router.on("GET", "/tickets/{id}/attachment", download)
    }

    func list(_ request: Request) throws -> Response {
        let limit = try request.query("limit", in: 1...100) ?? 20
        let end = try request.query("before", in: 1...Int.max) ?? Int.max
        return try Response(json: TicketPage(tickets: store.newest(limit, before: end)))
    }

    func create(_ request: Request) throws -> Response {
        let new = try request.json(as: NewTicket.self, upTo: 65_536)
        try new.check()
        let ticket = try store.insert(new)
        return try Response(status: 201, headers: [("Location", "/tickets/\(ticket.id)")], json: ticket)
    }

    func get(_ request: Request) throws -> Response { try Response(json: store.ticket(request.id())) }

    func price(_ request: Request) throws -> Response {
        let currency = try request.query("currency")
        guard isCurrency(currency) else { throw TicketError.invalid("currency", "expected three capital letters") }
        let ticket = try store.ticket(request.id())
        return try Response(json: Price(of: ticket, in: currency, rate: rates.rate(of: currency)))
    }

    func upload(_ request: Request) throws -> Response {
        var upload = try store.beginUpload(to: request.id())
        do {
            while let bytes = try request.body.read() { try store.append(upload.next(bytes)) }
            return try Response(json: store.finish(upload))
        } catch {
            try store.discard(upload)
            throw error
        }
    }

    func download(_ request: Request) throws -> Response {
        let stored = try store.attachment(of: request.id())
        return Response(
            headers: [("Content-Type", "application/octet-stream"), ("ETag", "\"\(stored.attachment.checksum)\"")],
            contentLength: stored.attachment.bytes,
            streaming: { writer in
                for number in 0..<stored.pieces { try writer.write(store.piece(number, of: stored)) }
            })
    }
}

extension Request {
    func id() throws -> Int {
        guard let id = Int(parameters["id"] ?? ""), id > 0 else { throw HTTPError(404, "nothing is at \(path)") }
        return id
    }
}
