internal import COpenSSL
internal import Synchronization

/// The keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1). A server keeps them through reloads, so that
/// clients can resume after one.
// @unchecked: `algorithm` never changes, and OpenSSL shares it between threads.
final class TLSTicketKeys: @unchecked Sendable {
    /// How long a session can be resumed, and how long a key seals, in seconds. An hour: an attacker who steals a key reads TLS
    /// 1.2 sessions of two hours at most, and a client that has been away for longer can afford a full handshake.
    static let lifetime = 3_600

    /// One key. Each ticket contains the name of its key.
    struct Key {
        static let nameLength = 16
        let name: [UInt8]
        let cipher: [UInt8]
        let mac: [UInt8]
        let made: ContinuousClock.Instant

        init(made: ContinuousClock.Instant) {
            (name, cipher, mac) = (random(Key.nameLength), random(32), random(32))
            self.made = made
        }
    }

    /// AES-256-CBC, looked up once: given only the name, OpenSSL would look it up for each ticket.
    let algorithm = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)

    deinit { EVP_CIPHER_free(algorithm) }

    // The newest first; at most two.
    private let keys = Mutex<[Key]>([])

    /// Returns the key to seal with.
    func current(now: ContinuousClock.Instant = .now) -> Key {
        keys.withLock { keys in
            if let first = keys.first, first.made.duration(to: now) < .seconds(TLSTicketKeys.lifetime) { return first }
            let key = Key(made: now)
            keys = [key] + keys.prefix(1)
            return key
        }
    }

    /// Returns the key of a ticket, and whether a newer key now seals. Returns nil for a name that is not, or no longer, known.
    func named(_ name: UnsafeBufferPointer<UInt8>, now: ContinuousClock.Instant = .now) -> (key: Key, isOld: Bool)? {
        let current = current(now: now)
        return keys.withLock { keys in
            guard let key = keys.first(where: { $0.name.elementsEqual(name) }),
                key.made.duration(to: now) < .seconds(2 * TLSTicketKeys.lifetime)
            else { return nil }
            return (key, key.name != current.name)
        }
    }
}

/// Returns bytes that nobody can guess.
private func random(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    // OpenSSL's generator seeds itself from the kernel; without it there is no TLS at all.
    precondition(RAND_bytes(&bytes, CInt(count)) == 1, "OpenSSL has no random bytes")
    return bytes
}
