private import CChecksum

/// The CRC-32 of bytes that arrive piece by piece.
package struct Checksum: Sendable {
    private var value: UInt = 0

    package init() {}

    package mutating func add(_ bytes: [UInt8]) { value = UInt(crc32(uLong(value), bytes, uInt(bytes.count))) }

    /// Eight hexadecimal digits.
    package var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// An attachment on its way into the database. Readers see it when it is complete.
package struct Upload: Sendable {
    package let id: Int
    package let ticket: Int
    private var bytes = 0
    private var pieces = 0
    private var checksum = Checksum()

    init(id: Int, ticket: Int) { (self.id, self.ticket) = (id, ticket) }

    /// Returns the next bytes as the piece to store.
    package mutating func next(_ bytes: [UInt8]) -> Piece {
        defer { pieces += 1 }
        self.bytes += bytes.count
        checksum.add(bytes)
        return Piece(upload: id, number: pieces, bytes: bytes)
    }

    /// The attachment, when all pieces are stored.
    package var attachment: TicketAttachment { TicketAttachment(ticket: ticket, bytes: bytes, checksum: checksum.text) }
}

/// A part of an attachment, as it arrived.
package struct Piece: Sendable {
    package let upload: Int
    package let number: Int
    package let bytes: [UInt8]
}

/// An attachment in the database, and where its pieces are.
package struct StoredAttachment: Sendable {
    package let attachment: TicketAttachment
    package let upload: Int
    package let pieces: Int
}
