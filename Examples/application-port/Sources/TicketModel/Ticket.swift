/// How urgent a ticket is.
package enum Priority: String, Codable, CaseIterable, Sendable {
    case low, normal, high
}

/// A ticket, with the price of its work in euro cents.
package struct Ticket: Codable, Equatable, Sendable {
    package var id: Int
    package var title: String
    package var priority: Priority
    package var cents: Int
    package var created: String
}

/// The body of a request that creates a ticket.
package struct NewTicket: Codable, Sendable {
    package var title: String
    package var priority: Priority?
    package var cents: Int

    /// Throws unless every value is in its range.
    package func check() throws(TicketError) {
        guard 1...200 ~= title.utf8.count, !title.utf8.contains(0) else {
            throw .invalid("title", "expected a text of 1 to 200 bytes")
        }
        guard 0...100_000_000 ~= cents else { throw .invalid("cents", "expected a number from 0 to 100000000") }
    }
}

/// Tickets, the newest first. `generated` is the time of the answer.
package struct TicketPage: Codable, Sendable {
    package var generated: String
    package var tickets: [Ticket]

    package init(tickets: [Ticket]) {
        generated = utcNow()
        self.tickets = tickets
    }
}

/// The price of a ticket in another currency, in hundredths.
package struct Price: Codable, Equatable, Sendable {
    package var ticket: Int
    package var currency: String
    package var hundredths: Int

    package init(of ticket: Ticket, in currency: String, rate: Double) {
        self.ticket = ticket.id
        self.currency = currency
        hundredths = Int((Double(ticket.cents) * rate).rounded())
    }
}

/// The size and the checksum of a ticket's attachment.
package struct TicketAttachment: Codable, Equatable, Sendable {
    package var ticket: Int
    package var bytes: Int
    package var checksum: String
}

/// The body of an answer that is an error.
package struct Failure: Codable, Sendable {
    package var error: String

    package init(_ error: String) { self.error = error }
}

/// Returns whether a text is the code of a currency, such as CHF.
package func isCurrency(_ text: String) -> Bool { text.utf8.count == 3 && text.utf8.allSatisfy { 65...90 ~= $0 } }

/// Returns the rate in the body of the exchange's answer.
package func parseRate(_ text: String) throws(TicketError) -> Double {
    guard let rate = Double(text.filter { !$0.isWhitespace }), rate.isFinite, 0...1_000_000 ~= rate else {
        throw .exchangeFailed
    }
    return rate
}
