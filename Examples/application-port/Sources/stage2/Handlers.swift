import Tandem
import TandemHTTP
import TandemJSON
import TicketModel

/// The old handlers.
struct Handlers: Sendable {
    let store: TicketStore
    let rates: Rates

    func list(_ request: Request) throws -> Response {
        let limit = try request.query.valueIfPresent("limit", in: 1...100) ?? 20
        let end = try request.query.valueIfPresent("before", in: 1...Int.max) ?? Int.max
        return try Response(json: TicketPage(tickets: store.newest(limit, before: end)))
    }

    func create(_ request: Request) throws -> Response {
        let new = try request.json(as: NewTicket.self, upTo: 65_536)
        try new.check()
        let ticket = try store.insert(new)
        return try Response(status: .created, headers: [.location: "/tickets/\(ticket.id)"], json: ticket)
    }

    func get(_ request: Request) throws -> Response { try Response(json: store.ticket(request.id())) }

    func price(_ request: Request) throws -> Response {
        let currency = try request.query.value("currency", as: String.self)
        guard isCurrency(currency) else { throw TicketError.invalid("currency", "expected three capital letters") }
        let ticket = try store.ticket(request.id())
        let rate = try awaiting { try await rates.rate(of: currency) }
        return try Response(json: Price(of: ticket, in: currency, rate: rate))
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
            headers: [.contentType: "application/octet-stream", .eTag: "\"\(stored.attachment.checksum)\""],
            contentLength: stored.attachment.bytes,
            streaming: { writer in
                for number in 0..<stored.pieces { try writer.write(store.piece(number, of: stored)) }
            })
    }
}

extension Request {
    func id() throws -> Int { try parameters.value("id", as: Int.self, in: 1...Int.max) }
}
